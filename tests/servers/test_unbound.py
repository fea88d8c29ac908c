"""What our resolvers make of a real validating Unbound in front of a real signed tree."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from scanner.model.fault import Kind
from scanner.model.route import Answer, MxRecord, Validity
from scanner.net.resolver import AiodnsResolver
from scanner.net.validating import ValidatingResolver
from scanner.survey import Resolver
from tests.servers import dns
from tests.servers.lab import Lab

PATIENCE_S = 3.0
"""For the one server that never answers; everything else takes milliseconds."""


@pytest.fixture
async def plain(names: str) -> AsyncIterator[AiodnsResolver]:
    """The resolver for everything."""
    async with AiodnsResolver((names,), PATIENCE_S) as resolver:
        yield resolver


@pytest.fixture
def validating(names: str) -> ValidatingResolver:
    """The resolver that knows what is secure."""
    return ValidatingResolver(names, PATIENCE_S)


def kind(answer: Answer[Any]) -> Kind | None:
    """What went wrong."""
    return None if answer.fault is None else answer.fault.kind


async def test_a_signed_tree_is_secure(validating: ValidatingResolver, lab: Lab) -> None:
    """RFC 4035 section 4.3: MX, address and TLSA all the way from the root."""
    mx = await validating.mx("hides.lab.test")
    address = await validating.ipv4("mx.hides.lab.test")
    tlsa = await validating.tlsa("_25._tcp.mx.hides.lab.test")
    assert mx.records == (MxRecord(10, "mx.hides.lab.test"),)
    assert [answer.validity for answer in (mx, address, tlsa)] == [Validity.SECURE] * 3
    assert [record.association.hex() for record in tlsa.records] == [lab.pairs.good.spki_sha256]


async def test_an_unsigned_delegation_is_insecure(validating: ValidatingResolver) -> None:
    """Its TLSA records are there and mean nothing (RFC 7672 section 2.1.1)."""
    mx = await validating.mx("insecure.test")
    tlsa = await validating.tlsa("_25._tcp.mx.insecure.test")
    assert mx.records
    assert tlsa.records
    assert (mx.validity, tlsa.validity) == (Validity.INSECURE, Validity.INSECURE)


@pytest.mark.parametrize("name", ["bogus.test", "mx.bogus.test"])
async def test_a_broken_chain_is_bogus(validating: ValidatingResolver, name: str) -> None:
    """Told apart from a dead server by asking again with checking disabled (RFC 4035 section 3.2.2)."""
    for answer in (await validating.mx(name), await validating.ipv4(name)):
        assert answer.validity is Validity.BOGUS
        assert kind(answer) is Kind.BOGUS
        assert answer.records == ()


async def test_bogus_tlsa_below_a_secure_host_is_bogus(validating: ValidatingResolver) -> None:
    """The case in which a DANE sender waits (RFC 7672 section 2.1.1)."""
    address = await validating.ipv4("mx.tlsa-bogus.lab.test")
    tlsa = await validating.tlsa("_25._tcp.mx.tlsa-bogus.lab.test")
    assert address.validity is Validity.SECURE
    assert kind(tlsa) is Kind.BOGUS


@pytest.mark.parametrize(("name", "expected"), [("nowhere.lab.test", Kind.NXDOMAIN), ("empty.lab.test", Kind.NODATA)])
async def test_absence_is_proven(validating: ValidatingResolver, name: str, expected: Kind) -> None:
    """Denial of existence is secure too (RFC 4035 section 5.4)."""
    answer = await validating.mx(name)
    assert kind(answer) is expected
    assert answer.validity is Validity.SECURE
    assert answer.records == ()


async def test_tlsa_is_found_behind_an_alias(validating: ValidatingResolver, lab: Lab) -> None:
    """RFC 7671 section 7: the TLSA name may be a CNAME."""
    answer = await validating.tlsa("_25._tcp.mx.tlsa-alias.lab.test")
    assert answer.canonical_name == "dane.tlsa-alias.lab.test"
    assert answer.validity is Validity.SECURE
    assert [record.association.hex() for record in answer.records] == [lab.pairs.good.spki_sha256]


async def test_the_cname_of_a_host_is_secure(validating: ValidatingResolver) -> None:
    """RFC 7672 section 2.2.2 asks for it."""
    answer = await validating.cname("mx.alias.lab.test")
    assert answer.records == ("mx.hides.lab.test",)
    assert answer.validity is Validity.SECURE


async def test_a_validating_resolver_proves_it_and_a_name_server_does_not(validating: ValidatingResolver) -> None:
    """Knot serves the same root, signed; it checks nothing, so its answers carry no AD."""
    assert await validating.proves_validation()
    assert not await ValidatingResolver(dns.UPPER, PATIENCE_S).proves_validation()


async def test_an_alias_is_followed(plain: Resolver) -> None:
    """The MX host is a CNAME: wrong by RFC 2181 section 10.3, and it works."""
    answer = await plain.ipv4("mx.alias.lab.test")
    assert answer.records == ("192.0.2.201",)
    assert answer.canonical_name == "mx.hides.lab.test"


async def test_a_null_mx_is_a_record(plain: Resolver) -> None:
    """RFC 7505."""
    assert (await plain.mx("null.lab.test")).records == (MxRecord(0, ""),)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nowhere.lab.test", Kind.NXDOMAIN),
        ("empty.lab.test", Kind.NODATA),
        ("lame.test", Kind.SERVFAIL),
        ("bogus.test", Kind.SERVFAIL),
        ("silent.test", Kind.DNS_TIMEOUT),
    ],
)
async def test_every_way_of_no_answer_has_its_kind(plain: Resolver, name: str, expected: Kind) -> None:
    """A dead name server is never an empty answer."""
    answer = await plain.mx(name)
    assert kind(answer) is expected
    assert answer.records == ()


async def test_a_large_answer_comes_over_tcp(plain: Resolver, validating: ValidatingResolver) -> None:
    """RFC 7766: what does not fit is truncated and asked for again."""
    for resolver in (plain, validating):
        assert (await resolver.txt("big.lab.test")).records == (b"x" * 4000,)


async def test_a_server_that_never_answers_is_a_timeout(validating: ValidatingResolver) -> None:
    """And nothing is known of the status."""
    answer = await validating.mx("silent.test")
    assert kind(answer) is Kind.DNS_TIMEOUT
    assert answer.validity is Validity.INDETERMINATE


async def test_a_lame_delegation_is_dead_and_not_bogus(validating: ValidatingResolver) -> None:
    """SERVFAIL with and without checking."""
    assert kind(await validating.mx("lame.test")) is Kind.SERVFAIL
