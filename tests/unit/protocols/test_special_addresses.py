"""P6: no packet ever goes to an address that is not globally reachable unicast."""

import ipaddress
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.protocols.special_addresses import IPV4_RULES, IPV6_RULES, refusal

REGISTRIES = Path(__file__).parents[3] / "inputs" / "registries"
MAPPED = ipaddress.ip_network("::ffff:0:0/96")
BLOCKS = [block for block, _ in (*IPV4_RULES, *IPV6_RULES) if block != MAPPED]  # mapped ones are judged as IPv4
FORMS = [
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "fe80::1", "fe80::1%lo"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "fc00::1", "fec0::1", "ff02::1"),
    *("5f00::1", "100::1", "4000::1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost", ""),
]


def test_the_tables_are_what_the_registries_say() -> None:
    """A generated file that nobody can generate again is a hand-written one."""
    generator = runpy.run_path(str(REGISTRIES / "generate.py"))
    assert generator["generated"]() == generator["TARGET"].read_text()


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_first_middle_and_last_address_of_every_special_block_are_refused(block: ipaddress.IPv4Network) -> None:
    """A boundary that is off by one would let a private host through."""
    for address in (block[0], block[block.num_addresses // 2], block[-1]):
        assert refusal(str(address)) is not None


@pytest.mark.parametrize("form", FORMS)
def test_every_spelling_of_an_inner_address_is_refused(form: str) -> None:
    """The kernel and old parsers know many spellings of loopback."""
    assert refusal(form) is not None


@pytest.mark.parametrize("address", ["8.8.8.8", "193.0.0.1", "2a00:1450::1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_may_be_connected_to(address: str) -> None:
    """The guard is no wall."""
    assert refusal(address) is None


def test_a_lab_may_open_its_own_networks_only() -> None:
    """`--allow-net` opens what it names and nothing beside it."""
    allow = (ipaddress.ip_network("127.0.0.0/8"),)
    assert refusal("127.0.3.4", allow) is None
    assert refusal("10.0.0.1", allow) is not None


@given(st.text(max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    """Every byte of an answer is the peer's."""
    refusal(text)
