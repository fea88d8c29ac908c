"""P6: nobody connects to an address that is not globally reachable unicast, whatever DNS says. Seen from the kernel.

Every block of the registries, with its first, middle and last address, and every form in which IPv6 embeds an IPv4
address: as the address of an MX host, of a domain without MX, and of a policy host; and as the name of an MX host.
"""

import ipaddress
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.cli.exits import Exit
from scanner.protocols.special_addresses import IPV4_RULES, IPV6_RULES
from scanner.settings import Network
from tests.commands.starttls import COMMAND, PATIENCE_S, ROOT, environment, listed, read, rows_of
from tests.faults.names import Records, resolver

CONTROL = "127.66.0.1"
"""Loopback, but allowed: a trace that does not show a connection to it would prove nothing."""
ROUTE_QUESTIONS = {("192.0.2.1", 9), ("2001:db8::1", 9)}
"""A datagram socket that is connected to learn whether there is a route: nothing is sent (scanner/net/sockets.py)."""
PORT = 25
EMBEDDED = ("0.0.0.0", "10.1.2.3", "127.0.0.1", "169.254.169.254", "192.168.1.1", "224.0.0.1")
EMBEDDINGS = {
    "mapped": "::ffff:{hex}",
    "compatible": "::{hex}",
    "translated": "::ffff:0:{hex}",
    "NAT64": "64:ff9b::{hex}",
    "local NAT64": "64:ff9b:1::{hex}",
    "6to4": "2002:{hex}::1",
    "Teredo": "2001:0:{hex}::1",
}
BEYOND = ("fec0::1", "fe00::1", "4000::1", "5f00::1", "100:0:0:1::1", "ff02::1", "ff0e::1", "3fff::1", "::", "::1")
TEXTS = ("127.0.0.1", "[127.0.0.1]", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "::1", "[::1]")
"""Names of MX hosts that some resolver would take for an address."""
STRACE = ("strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-e", "signal=none", "-o")
CALL = re.compile(r"\b(?:connect|sendto|sendmsg|sendmmsg)\(.*?sin6?_port=htons\((\d+)\).*?\"([0-9a-fA-F.:]+)\"")


def addresses() -> Iterator[str]:
    """Every address that nobody may connect to."""
    networks: list[Network] = [*(network for network, _ in IPV4_RULES), *(network for network, _ in IPV6_RULES)]
    for network in networks:
        first, last = int(network.network_address), int(network.broadcast_address)
        make = type(network.network_address)
        yield from (str(make(number)) for number in (first, (first + last) // 2, last))
    for embedded in map(ipaddress.IPv4Address, EMBEDDED):
        pair = f"{int(embedded) >> 16:x}:{int(embedded) & 0xFFFF:x}"
        yield from (str(ipaddress.IPv6Address(form.format(hex=pair))) for form in EMBEDDINGS.values())
    yield from BEYOND


def world_of(places: list[str]) -> Records:
    """Give every address three domains, and every text one."""
    records: dict[tuple[str, str], str] = {("control.test.", "MX"): "10 mx.control.test."}
    records["mx.control.test.", "A"] = CONTROL
    for number, place in enumerate(places):
        kind = "AAAA" if ":" in place else "A"
        domain = f"d{number}.test."
        records[domain, "MX"] = f"10 mx.{domain}"
        records[f"mx.{domain}", kind] = place
        records[f"_mta-sts.{domain}", "TXT"] = '"v=STSv1; id=1"'
        records[f"mta-sts.{domain}", kind] = place
        records[f"implicit{number}.test.", kind] = place
    for number, text in enumerate(TEXTS):
        records[f"t{number}.test.", "MX"] = f"10 {text.replace(':', chr(92) + '058')}."
        records[f"{text}.", "A"] = "127.0.0.1"
    return records


def reached(trace: str) -> list[tuple[str, int]]:
    """Where something was sent, as strace(1) wrote it down."""
    return [(found[2], int(found[1])) for found in map(CALL.search, trace.splitlines()) if found]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace(1)")
def test_no_special_address_is_ever_connected_to(tmp_path: Path) -> None:
    places = list(dict.fromkeys(addresses()))
    names = [f"{kind}{number}.test" for kind in ("d", "implicit") for number in range(len(places))]
    names += [f"t{number}.test" for number in range(len(TEXTS))]
    trace = tmp_path / "trace"
    with resolver(world_of(places)) as where:
        words = ("scan", listed(tmp_path / "list", [*names, "control.test"]), "--resolver", where, "--i-am-testing")
        flags = ("-q", "--profile", "lab", "--allow-net", f"{CONTROL}/32", "--source", "127.0.0.1")
        done = subprocess.run(
            [*STRACE, str(trace), *COMMAND, *map(str, words), *flags],
            capture_output=True,
            cwd=ROOT,
            env=environment(),
            timeout=PATIENCE_S,
            check=False,
        )
    if done.returncode == 1 and b"ptrace" in done.stderr:
        pytest.skip("this kernel lets nobody trace")
    assert done.returncode == Exit.OK, read(done.stderr)
    rows = {row["domain"]: row for row in rows_of(done.stdout)}
    assert len(rows) == len(names) + 1
    sessions = [each for name in names for each in rows[name]["sessions"]]
    assert {each["fault"]["kind"] for each in sessions} == {"refused_address"}
    server = tuple(where.split(":"))
    elsewhere = [place for place in reached(trace.read_text()) if place != (server[0], int(server[1]))]
    assert [place for place in elsewhere if place not in ROUTE_QUESTIONS] == [(CONTROL, PORT)]
    assert len(sessions) >= 2 * len(places)
