"""The lab as a process, spoken to with other people's clients: smtplib, ssl, dnspython."""

import contextlib
import hashlib
import http.client
import json
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAIL, WITNESS = "127.9.0.1", "127.9.0.2"
PATIENCE_S = 30


def start() -> tuple[subprocess.Popen[str], dict[str, Any]]:
    lab = subprocess.Popen(
        [sys.executable, "-m", "scanner.lab"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert lab.stdout is not None
    return lab, json.loads(lab.stdout.readline())


def finish(lab: subprocess.Popen[str]) -> int:
    """Close what we hold of it and wait."""
    assert lab.stdin is not None
    assert lab.stdout is not None
    lab.stdin.close()
    code = lab.wait(PATIENCE_S)
    assert lab.stdout.read() == ""
    lab.stdout.close()
    return code


@pytest.fixture(scope="module")
def lab() -> Iterator[dict[str, Any]]:
    process, ready = start()
    yield ready
    assert finish(process) == 0


def ask(lab: dict[str, Any], name: str, kind: str, flags: int = dns.flags.RD) -> dns.message.Message:
    address, port = lab["resolver"].split(":")
    query = dns.message.make_query(name, kind)
    query.flags |= flags
    answer, _ = dns.query.udp_with_fallback(query, address, PATIENCE_S, int(port))
    return answer


def texts(answer: dns.message.Message) -> list[str]:
    return [rdata.to_text() for rrset in answer.answer for rdata in rrset]


def address_of(lab: dict[str, Any], host: str) -> str:
    return texts(ask(lab, host, "A"))[-1]


def connect(lab: dict[str, Any], name: str, source: str = MAIL) -> smtplib.SMTP:
    """Say nothing yet; the greeting is read and good."""
    address = address_of(lab, f"mx-{name}.lab.test")
    client = smtplib.SMTP(timeout=PATIENCE_S, source_address=(source, 0))
    client.connect(address, lab["smtp_port"])
    client._host = f"mx-{name}.lab.test"  # type: ignore[attr-defined]
    return client


def trusting(lab: dict[str, Any]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=lab["ca_file"])


def test_the_ready_line_says_where_everything_is(lab: dict[str, Any]) -> None:
    assert [each["name"] for each in lab["sources"]] == ["mail", "witness"]
    assert Path(lab["ca_file"]).read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert min(lab["smtp_port"], lab["https_port"], int(lab["resolver"].split(":")[1])) >= 1024
    assert lab["allow_networks"] == ["127.0.0.0/8", "::1/128"]


def test_a_greeting_has_three_lines(lab: dict[str, Any]) -> None:
    address = address_of(lab, "mx-greeting-multiline.lab.test")
    with socket.create_connection((address, lab["smtp_port"]), PATIENCE_S) as raw, raw.makefile("rb") as lines:
        assert [lines.readline()[:4] for _ in range(3)] == [b"220-", b"220-", b"220 "]


def test_starttls_works_and_its_certificate_verifies(lab: dict[str, Any]) -> None:
    with connect(lab, "plain-good") as client:
        client.ehlo("client.test")
        assert client.has_extn("starttls")
        assert client.starttls(context=trusting(lab))[0] == 220
        assert client.ehlo("client.test")[0] == 250
        assert not client.has_extn("starttls")


def test_an_expired_certificate_does_not_verify(lab: dict[str, Any]) -> None:
    client = connect(lab, "certificate-expired")
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        client.starttls(context=trusting(lab))
    client.close()


@pytest.mark.parametrize(("source", "is_offered"), [(MAIL, False), (WITNESS, True)])
def test_starttls_is_hidden_from_one_source(lab: dict[str, Any], source: str, is_offered: bool) -> None:  # noqa: FBT001
    with connect(lab, "source-hidden", source) as client:
        client.ehlo("client.test")
        assert client.has_extn("starttls") is is_offered
        assert client.docmd("STARTTLS")[0] == (220 if is_offered else 502)
        client.close()


def test_backends_take_turns(lab: dict[str, Any]) -> None:
    offers = []
    for _ in range(4):
        with connect(lab, "flapping") as client:
            client.ehlo("client.test")
            offers.append(client.has_extn("starttls"))
    assert sorted(offers) == [False, False, False, True]


def test_an_alert_is_sent_for_a_client_certificate_that_is_missing(lab: dict[str, Any]) -> None:
    client = connect(lab, "tls-client-certificate-1-3")
    client.starttls(context=trusting(lab))
    with pytest.raises(smtplib.SMTPServerDisconnected, match="certificate required"):
        client.ehlo("client.test")
    client.close()


def test_nobody_listens_where_connections_are_refused(lab: dict[str, Any]) -> None:
    address = address_of(lab, "mx-connect-refused.lab.test")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, lab["smtp_port"]), PATIENCE_S)


def test_a_full_backlog_never_answers(lab: dict[str, Any]) -> None:
    address = address_of(lab, "mx-connect-timeout.lab.test")
    with pytest.raises(TimeoutError):
        socket.create_connection((address, lab["smtp_port"]), 1.0)


@pytest.mark.parametrize(
    ("name", "kind", "flags", "is_secure"),
    [
        (".", "SOA", dns.flags.AD, True),
        ("dane-good.lab.test", "MX", dns.flags.AD, True),
        ("dane-good.lab.test", "MX", 0, False),
        ("_25._tcp.mx-dane-good.lab.test", "TLSA", dns.flags.AD, True),
        ("_25._tcp.mx-dane-none.lab.test", "TLSA", dns.flags.AD, True),
        ("plain-good.lab.test", "MX", dns.flags.AD, False),
        ("alias-dane-alias-insecure-target.lab.test", "A", dns.flags.AD, False),
        ("alias-dane-alias-insecure-target.lab.test", "CNAME", dns.flags.AD, True),
    ],
)
def test_ad_says_that_all_was_signed(
    lab: dict[str, Any],
    name: str,
    kind: str,
    flags: int,
    is_secure: bool,  # noqa: FBT001
) -> None:
    assert bool(ask(lab, name, kind, flags).flags & dns.flags.AD) is is_secure


def test_bogus_data_is_servfail_unless_validation_is_off(lab: dict[str, Any]) -> None:
    assert ask(lab, "dns-bogus.lab.test", "MX").rcode() == dns.rcode.SERVFAIL
    assert texts(ask(lab, "dns-bogus.lab.test", "MX", dns.flags.CD)) == ["10 mx-dns-bogus.lab.test."]


@pytest.mark.parametrize(
    ("name", "kind", "rcode", "found"),
    [
        ("dns-nxdomain.lab.test", "MX", dns.rcode.NXDOMAIN, []),
        ("dns-no-mail.lab.test", "MX", dns.rcode.NOERROR, []),
        ("_tcp.mx-dane-good.lab.test", "A", dns.rcode.NOERROR, []),
        ("dns-null-mx.lab.test", "MX", dns.rcode.NOERROR, ["0 ."]),
        ("dns-servfail.lab.test", "MX", dns.rcode.SERVFAIL, []),
        ("dns-refused.lab.test", "MX", dns.rcode.REFUSED, []),
        ("dns-notimp.lab.test", "MX", dns.rcode.NOTIMP, []),
        ("dns-formerr.lab.test", "MX", dns.rcode.FORMERR, []),
        ("a-dns-alias-loop.lab.test", "A", dns.rcode.SERVFAIL, []),
        ("dns-truncated.lab.test", "MX", dns.rcode.NOERROR, ["10 mx-dns-truncated.lab.test."]),
        ("d000201.many.lab.test", "MX", dns.rcode.NOERROR, ["10 mx001.many.lab.test."]),
        ("d000201.many.lab.test", "TXT", dns.rcode.NOERROR, []),
        ("mx001.many.lab.test", "A", dns.rcode.NOERROR, ["127.25.200.2"]),
        ("mx200.many.lab.test", "A", dns.rcode.NXDOMAIN, []),
        ("xn--mller-kva.lab.test", "MX", dns.rcode.NOERROR, ["10 mx-plain-good.lab.test."]),
    ],
)
def test_dns_answers_as_the_story_says(
    lab: dict[str, Any], name: str, kind: str, rcode: dns.rcode.Rcode, found: list[str]
) -> None:
    answer = ask(lab, name, kind)
    assert answer.rcode() == rcode
    assert texts(answer) == found


def test_a_truncated_answer_comes_whole_by_tcp_only(lab: dict[str, Any]) -> None:
    address, port = lab["resolver"].split(":")
    query = dns.message.make_query("dns-truncated.lab.test", "MX")
    assert dns.query.udp(query, address, PATIENCE_S, int(port)).flags & dns.flags.TC
    assert texts(dns.query.tcp(query, address, PATIENCE_S, int(port))) == ["10 mx-dns-truncated.lab.test."]


def test_twenty_five_hosts_are_published(lab: dict[str, Any]) -> None:
    assert len(texts(ask(lab, "dns-25-mx.lab.test", "MX"))) == 25


def test_the_tlsa_record_is_that_of_the_leaf(lab: dict[str, Any]) -> None:
    with connect(lab, "dane-good") as client:
        client.starttls(context=trusting(lab))
        assert isinstance(client.sock, ssl.SSLSocket)
        leaf = x509.load_der_x509_certificate(client.sock.getpeercert(binary_form=True) or b"")
    spki = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    published = texts(ask(lab, "_25._tcp.mx-dane-good.lab.test", "TLSA"))
    assert published == [f"3 1 1 {hashlib.sha256(spki).hexdigest()}"]


def policy(lab: dict[str, Any], domain: str, host: str = "") -> http.client.HTTPResponse:
    """Ask the address of the policy host, under its name."""
    name = f"mta-sts.{domain}"
    raw = socket.create_connection((address_of(lab, name), lab["https_port"]), PATIENCE_S)
    client = http.client.HTTPSConnection(name, lab["https_port"], timeout=PATIENCE_S)
    client.sock = trusting(lab).wrap_socket(raw, server_hostname=host or name)
    client.request("GET", "/.well-known/mta-sts.txt")
    response = client.getresponse()
    response.read_body = response.read()  # type: ignore[attr-defined]
    client.close()
    return response


def test_a_policy_is_served_over_https(lab: dict[str, Any]) -> None:
    served = policy(lab, "sts-enforce.lab.test")
    assert served.status == 200
    assert served.read_body.startswith(b"version: STSv1\r\nmode: enforce\r\nmx: mx-sts-enforce.lab.test\r\n")  # type: ignore[attr-defined]


def test_a_redirect_is_served_too(lab: dict[str, Any]) -> None:
    assert policy(lab, "sts-redirect.lab.test").status == 301


def test_the_certificate_of_a_policy_host_has_expired(lab: dict[str, Any]) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        policy(lab, "sts-host-expired.lab.test")


def test_a_flood_ends_when_its_reader_leaves(lab: dict[str, Any]) -> None:
    for _ in range(20):
        address = address_of(lab, "mx-hostile-endless-greeting.lab.test")
        with socket.create_connection((address, lab["smtp_port"]), PATIENCE_S) as raw:
            assert raw.recv(4) == b"220 "
    handles = Path(f"/proc/{lab['pid']}/fd")
    deadline = time.monotonic() + PATIENCE_S
    while any_to(address, handles) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any_to(address, handles)


def any_to(address: str, handles: Path) -> bool:
    """Whether a connection to this address is still held, seen from the table of TCP sockets."""
    local = bytes(reversed(socket.inet_aton(address))).hex().upper()
    inodes = set()
    for handle in list(handles.iterdir()):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            inodes.add(str(handle.readlink()))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].startswith(local) and row[3] != "0A" and f"socket:[{row[9]}]" in inodes for row in rows)


def test_the_lab_ends_with_its_standard_input_and_leaves_nothing() -> None:
    process, ready = start()
    with connect(ready, "plain-good") as client:
        client.noop()
        assert finish(process) == 0
        client.close()
    assert not Path(ready["ca_file"]).parent.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_lab_ends_at_a_signal(number: signal.Signals) -> None:
    process, ready = start()
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == 0
    finish(process)
    assert not Path(ready["ca_file"]).parent.exists()
