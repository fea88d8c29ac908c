"""MTA-STS and TLS-RPT: records, policy files, and the servers that hand them out.

Touches: nothing. Source: RFC 8461 sections 3.1 to 3.3, 4.1, 4.2 and 5; RFC 8460 section 3.
"""

import gzip

from scanner.lab.scenario import Expected, PolicyHost, Record, Scenario, dns, mx, passes, usual_mx
from scanner.lab.scenarios.sources import HIDDEN
from scanner.lab.script import Acts, Close, Drip, Flood, Hold, Host, Play, Say, encrypted

ANNOUNCED = '"v=STSv1; id=20260101T000000;"'
REPORTS = '"v=TLSRPTv1; rua=mailto:tls@lab.test"'
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
ZEROS = b"0" * 65_536
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
GZIP_BOMB = gzip.compress(bytes(1 << 20), mtime=0) * 1024
"""RFC 1952 section 2.2: members follow each other, a megabyte of zeros each."""
ZSTD_BOMB = bytes.fromhex("28b52ffd0038") + (bytes.fromhex("020010") + b"\0") * 8191 + bytes.fromhex("030010") + b"\0"
"""RFC 8878 section 3.1.1.2: blocks that repeat one byte 131,072 times each."""


def response(body: bytes, *headers: str, status: str = "200 OK", media_type: str = "text/plain") -> Acts:
    """One HTTP response; the connection closes behind it."""
    head = [f"HTTP/1.1 {status}", f"Content-Type: {media_type}", f"Content-Length: {len(body)}", "Connection: close"]
    return (Say("\r\n".join([*head, *headers, "", ""]).encode() + body), Close())


def encoded(body: bytes, coding: str) -> Acts:
    """A body with a content coding that nobody asked for (RFC 9110 s8.4)."""
    return response(body, f"Content-Encoding: {coding}")


def policy(label: str, mode: str = "enforce", mx_pattern: str = "", end: str = "\r\n") -> bytes:
    """A policy file (RFC 8461 s3.2)."""
    pattern = mx_pattern or f"{mx(label)}.lab.test"
    return end.join(["version: STSv1", f"mode: {mode}", f"mx: {pattern}", "max_age: 604800", ""]).encode()


def _sts(name: str, story: str, clause: str, expected: Expected, **more: object) -> Scenario:
    """An announced policy; `served` is what the policy host does, `txt` the records, `play` that of the MX host."""
    label = f"sts-{name}"
    host = more.pop("policy", None) or PolicyHost(response(policy(label)))
    texts = more.pop("txt", (ANNOUNCED,))
    play = more.pop("play", Play())
    records: tuple[Record, ...] = (usual_mx(label), *((f"_mta-sts.{label}", "TXT", text) for text in texts))  # type: ignore[attr-defined]
    hosts = (Host(f"{mx(label)}.lab.test", play),)  # type: ignore[arg-type]
    return dns(label, story, clause, expected, hosts=hosts, records=records, policy=host)


def _body(name: str, story: str, clause: str, body: bytes, mta_sts: str | None) -> Scenario:
    """A policy file that is odd in itself."""
    return _sts(name, story, clause, passes(mta_sts=mta_sts), policy=PolicyHost(response(body)))


def _unfetched(name: str, story: str, host: PolicyHost, mta_sts: str = "fail") -> Scenario:
    """A policy that cannot be had: the sender goes on as if there were none (RFC 8461 s3.3)."""
    return _sts(name, story, "RFC 8461 3.3", passes(mta_sts=mta_sts), policy=host)


def _txt(name: str, story: str, mta_sts: str | None, *texts: str) -> Scenario:
    return _sts(name, story, "RFC 8461 3.1", passes(mta_sts=mta_sts), txt=texts)


def _rpt(name: str, story: str, tls_rpt: str, *texts: str) -> Scenario:
    label = f"rpt-{name}"
    records = (usual_mx(label), *((f"_smtp._tls.{label}", "TXT", text) for text in texts))
    return dns(label, story, "RFC 8460 3", passes(tls_rpt=tls_rpt), records=records)


SCENARIOS = (
    _sts("enforce", "A policy in force, kept.", "RFC 8461 5", passes(mta_sts="pass", webpki="pass")),
    _sts(
        "testing",
        "A policy under test, kept.",
        "RFC 8461 5",
        passes(mta_sts="partial", findings=("sts-testing",)),
        policy=PolicyHost(response(policy("sts-testing", "testing"))),
    ),
    _sts(
        "none",
        "A policy that says there is none.",
        "RFC 8461 5",
        passes(mta_sts="absent"),
        policy=PolicyHost(response(policy("sts-none", "none"))),
    ),
    _sts(
        "wildcard",
        "The policy covers the MX host by a wildcard.",
        "RFC 8461 4.1",
        passes(mta_sts="pass"),
        policy=PolicyHost(response(policy("", mx_pattern="*.lab.test"))),
    ),
    _sts(
        "not-covered",
        "The policy covers another host.",
        "RFC 8461 4.1",
        passes(mta_sts="fail"),
        policy=PolicyHost(response(policy("", mx_pattern="mx.elsewhere.test"))),
    ),
    _sts(
        "without-starttls",
        "A policy in force, and no STARTTLS: mail is stuck.",
        "RFC 8461 4.2",
        Expected(status="ok", starttls="absent", mta_sts="fail", delivery_may="clear"),
        play=HIDDEN,
    ),
    _sts(
        "expired",
        "A policy in force, and an expired certificate at the MX host.",
        "RFC 8461 4.2",
        passes(mta_sts="fail", webpki="fail"),
        play=Play(starttls=encrypted("expired")),
    ),
    _sts(
        "wrong-name",
        "A policy in force, and a certificate for another host.",
        "RFC 8461 4.2",
        passes(mta_sts="fail", webpki="fail"),
        play=Play(starttls=encrypted("wrong-name")),
    ),
    _body("lf", "Lines end in LF.", "RFC 8461 3.2", policy("sts-lf", end="\n"), "pass"),
    _body(
        "twice", "A key comes twice; the first counts.", "RFC 8461 3.2", policy("sts-twice") + b"mode: none\r\n", "pass"
    ),
    _body("mode", "A mode that does not exist.", "RFC 8461 3.2", policy("sts-mode", "Enforce"), "fail"),
    _body(
        "no-version",
        "The version is missing.",
        "RFC 8461 3.2",
        b"mode: enforce\r\nmx: *.lab.test\r\nmax_age: 1\r\n",
        "fail",
    ),
    _body("no-mx", "No MX pattern.", "RFC 8461 3.2", b"version: STSv1\r\nmode: enforce\r\nmax_age: 86400\r\n", "fail"),
    _body(
        "max-age",
        "A max_age beyond a year.",
        "RFC 8461 3.2",
        policy("sts-max-age").replace(b"604800", b"99999999"),
        "fail",
    ),
    _body("bom", "A byte order mark comes first.", "RFC 8461 3.2", b"\xef\xbb\xbf" + policy("sts-bom"), "fail"),
    _body("binary", "The file is no text.", "RFC 8461 3.2", bytes(range(256)), "fail"),
    _unfetched("404", "Not found.", PolicyHost(response(b"no", status="404 Not Found"))),
    _unfetched(
        "500", "The policy server is broken.", PolicyHost(response(b"", status="500 Internal Server Error")), "unknown"
    ),
    _unfetched(
        "redirect",
        "A redirect, which must not be followed.",
        PolicyHost(response(b"", "Location: https://mta-sts.sts-enforce.lab.test/", status="301 Moved Permanently")),
    ),
    _unfetched(
        "gzip",
        "The body is compressed, which nobody asked for.",
        PolicyHost(response(b"\x1f\x8b\x08\x00" + bytes(20), "Content-Encoding: gzip")),
    ),
    _unfetched("too-long", "A file of 100 KB.", PolicyHost(response(policy("sts-too-long") + b"x: y\r\n" * 17_000))),
    _unfetched(
        "endless",
        "A body without end.",
        PolicyHost((Say(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"), Flood(b"x: y\r\n" * 10_000))),
    ),
    _unfetched(
        "endless-headers",
        "Headers without end.",
        PolicyHost((Say(b"HTTP/1.1 200 OK\r\n"), Flood(b"X-Header: value\r\n" * 3000))),
    ),
    _unfetched("gzip-bomb", "A megabyte of gzip that stands for a gigabyte.", PolicyHost(encoded(GZIP_BOMB, "gzip"))),
    _unfetched("zstd-bomb", "Kilobytes of zstd that stand for a gigabyte.", PolicyHost(encoded(ZSTD_BOMB, "zstd"))),
    _unfetched("brotli", "The body says that it is brotli.", PolicyHost(encoded(b"\x5b" + bytes(808), "br"))),
    _unfetched(
        "endless-chunks",
        "A chunked body without end.",
        PolicyHost((Say(CHUNKED), Flood(b"4000\r\n" + b"x" * 0x4000 + b"\r\n"))),
    ),
    _unfetched("endless-chunk-line", "The length of a chunk never ends.", PolicyHost((Say(CHUNKED), Flood(ZEROS)))),
    _unfetched("endless-hints", "Interim answers without end.", PolicyHost((Flood(HINTS * 500),))),
    _unfetched(
        "giant-header",
        "One header line of a megabyte.",
        PolicyHost((Say(b"HTTP/1.1 200 OK\r\nX: "), Flood(b"y" * 65_536, 1024 * 1024), *response(b""))),
    ),
    _unfetched(
        "drip-body",
        "A byte of the body every tenth of a second.",
        PolicyHost((Say(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"), Drip(b"x: y\r\n", 0.1, endless=True))),
        "unknown",
    ),
    _unfetched(
        "drip",
        "A byte every tenth of a second.",
        PolicyHost((Say(b"HTTP/1.1 200 OK\r\n"), Drip(b"X: y\r\n", 0.1, endless=True))),
        "unknown",
    ),
    _unfetched("silence", "The policy server says nothing.", PolicyHost((Hold(),)), "unknown"),
    _unfetched("closed", "The policy server hangs up.", PolicyHost((Close(),)), "unknown"),
    _unfetched("not-http", "The policy server speaks SMTP.", PolicyHost((Say(b"220 policy ESMTP\r\n"), Close()))),
    _unfetched("host-refused", "Nobody listens at the policy host.", PolicyHost((), presence="refuses")),
    _unfetched("host-nowhere", "The policy host does not exist.", PolicyHost((), presence="nowhere")),
    _unfetched(
        "host-expired",
        "The certificate of the policy host has expired.",
        PolicyHost(response(policy("sts-host-expired")), "expired"),
    ),
    _unfetched(
        "host-wrong-name",
        "The certificate of the policy host names another.",
        PolicyHost(response(policy("sts-host-wrong-name")), "wrong-name"),
    ),
    _unfetched(
        "host-self-signed",
        "The certificate of the policy host is signed by itself.",
        PolicyHost(response(policy("sts-host-self-signed")), "self-signed"),
    ),
    _txt("txt-twice", "Two announcements are none.", "fail", ANNOUNCED, '"v=STSv1; id=2;"'),
    _txt("txt-500", "Five hundred announcements.", "fail", *(f'"v=STSv1; id={number};"' for number in range(500))),
    _txt("txt-other", "Another TXT record beside the announcement.", "pass", ANNOUNCED, '"v=spf1 -all"'),
    _txt("txt-bad-id", "An id with a hyphen.", "fail", '"v=STSv1; id=2026-01-01;"'),
    _txt("txt-split", "The announcement comes in two strings.", "pass", '"v=STSv1; id=20" "26;"'),
    _txt("txt-upper-case", "The version is in capitals, so it is none.", "absent", '"V=STSV1; id=1;"'),
    _rpt("good", "One address for reports.", "pass", REPORTS),
    _rpt(
        "https",
        "Two addresses for reports, one of them a URL.",
        "pass",
        '"v=TLSRPTv1; rua=mailto:tls@lab.test,https://reports.lab.test/v1"',
    ),
    _rpt("twice", "Two records are none.", "fail", REPORTS, '"v=TLSRPTv1; rua=mailto:other@lab.test"'),
    _rpt("bad-rua", "An address that is no URI.", "fail", '"v=TLSRPTv1; rua=tls@lab.test"'),
    _rpt("none", "No reports wanted.", "absent"),
)
