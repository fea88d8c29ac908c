"""DANE, held against `openssl s_client -dane_tlsa_domain`: every chain of the table with every kind of record.

A sender takes a certificate that names the TLSA base domain or, where the MX records are secure, the next-hop domain
(RFC 7672 section 3.2.2). The command line asks for one name at a time, so it is asked twice.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from scanner.model.assessment import Verdict
from scanner.model.route import TlsaRecord
from tests.unit.assess.evidence import AT, DOMAIN, MX, Party, authority, encrypted, judged, secured, tlsa_of

STARTS_WITHIN_S = 20
WRONG = TlsaRecord(3, 1, 1, bytes(32))
LEAVES = [(3, selector, digest, 0) for selector in (0, 1) for digest in (0, 1, 2)]
ANCHORS = [(2, selector, digest, depth) for depth in (1, 2) for selector in (0, 1) for digest in (0, 1, 2)]


def rrsets(name: str) -> dict[str, tuple[TlsaRecord, ...]]:
    """Every kind of record that could be published for a server with this chain, one or two at a time."""
    depth = len(authority().chains[name])
    single = {
        f"{usage} {selector} {digest} of {at}": (tlsa_of(name, usage, selector, digest, at),)
        for usage, selector, digest, at in (*LEAVES, *ANCHORS)
        if at < depth
    }
    pairs = {
        "wrong": (WRONG,),
        "wrong and right": (WRONG, tlsa_of(name)),
        "right and a stronger that is wrong": (tlsa_of(name), TlsaRecord(3, 1, 2, bytes(64))),
        "a whole root": (tlsa_of("with root", 2, 0, 0, depth=2),),
        "a root by digest": (tlsa_of("with root", 2, 0, 1, depth=2),),
    }
    return single | pairs


@contextmanager
def serving(name: str, room: Path) -> Iterator[int]:
    """A server with this chain; its port."""
    leaf, *others = authority().chains[name]
    (room / "key.pem").write_bytes(leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    port = free_port()
    words = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", "-cert", pem(room, "leaf", leaf)]
    words += ["-key", str(room / "key.pem"), *(["-cert_chain", pem(room, "chain", *others)] if others else [])]
    silent = subprocess.DEVNULL
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=silent, stderr=silent) as server:
        try:
            wait_until_open(port)
            yield port
        finally:
            server.kill()


def pem(room: Path, name: str, *parties: Party) -> str:
    """Write certificates to a file."""
    (room / f"{name}.pem").write_bytes(b"".join(party.pem for party in parties))
    return str(room / f"{name}.pem")


def free_port() -> int:
    """One that nobody uses now."""
    with closing(socket.socket()) as asking:
        asking.bind(("127.0.0.1", 0))
        return int(asking.getsockname()[1])


def wait_until_open(port: int) -> None:
    """Until somebody accepts."""
    until_s = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until_s:
        with closing(socket.socket()) as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the server does not listen")


def openssl_accepts(port: int, records: tuple[TlsaRecord, ...]) -> bool:
    """Ask the command line under either name."""
    return any(openssl_accepts_as(name, port, records) for name in (MX, DOMAIN))


def openssl_accepts_as(name: str, port: int, records: tuple[TlsaRecord, ...]) -> bool:
    """RFC 7672 s3.1.1: no name is looked at for usage 3, which has an option of its own there."""
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-attime", str(int(AT.timestamp()))]
    words += ["-no-CAfile", "-no-CApath", "-no-CAstore", "-dane_ee_no_namechecks", "-verify_return_error"]
    words += ["-servername", MX, "-dane_tlsa_domain", name]
    for it in records:
        data = f"{it.usage} {it.selector} {it.matching_type} {it.association.hex()}"
        words += ["-dane_tlsa_rrdata", data]
    said = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=STARTS_WITHIN_S)
    return said.returncode == 0 and b"Verify return code: 0 (ok)" in said.stdout


@pytest.mark.parametrize("name", authority().chains)
def test_openssl_s_client_says_the_same_about_dane(name: str, tmp_path: Path) -> None:
    asked = rrsets(name)
    with serving(name, tmp_path) as port:
        theirs = {kind: openssl_accepts(port, records) for kind, records in asked.items()}
    ours = {
        kind: judged(encrypted(name), way=secured(*records)).dane is Verdict.PASS for kind, records in asked.items()
    }
    assert ours == theirs
