"""The command itself against the whole world: real names, real servers, and its rows held against the table."""

import base64
import hashlib
from dataclasses import replace
from typing import Any

import jsonschema_rs
import orjson
import pytest

from scanner import schema
from scanner.assess.folding import fold
from scanner.model.assessment import Status, Verdict
from tests.servers import scanning
from tests.servers.lab import (
    BLOCKED_FROM,
    GREYLISTED_FROM,
    HIDDEN_FROM,
    SEEN_FROM,
    TLS_DENIED_FROM,
    TLS_LATER_FROM,
    Lab,
)
from tests.servers.scanning import Scanned
from tests.servers.world import MailWorld

ROW = jsonschema_rs.Draft202012Validator(schema.row())
CERTIFICATE = jsonschema_rs.Draft202012Validator(schema.certificate())
ENDINGS = [
    # what a session of this source came to: last stage, and fault with stage, kind and code
    ("hides", SEEN_FROM, "done", None),
    ("hides", HIDDEN_FROM, "ehlo", None),
    ("plain", SEEN_FROM, "ehlo", None),
    ("teaser", SEEN_FROM, "done", None),
    ("tls10", SEEN_FROM, "done", None),
    ("busy", SEEN_FROM, "connect", ("greeting", "reply_421", 421)),
    ("unreadable", SEEN_FROM, "ehlo", ("starttls", "reply_4xx", 454)),
    ("client-certificate", SEEN_FROM, "handshake", ("ehlo_tls", "reply_421", 421)),
    ("blocks", BLOCKED_FROM, "connect", ("greeting", "reply_5xx", 554)),
    ("exim", SEEN_FROM, "done", None),
    ("exim", HIDDEN_FROM, "ehlo", None),
    ("exim", BLOCKED_FROM, "connect", ("greeting", "reply_5xx", 550)),
    ("exim", GREYLISTED_FROM, "connect", ("greeting", "reply_4xx", 451)),
    ("exim", TLS_LATER_FROM, "ehlo", ("starttls", "reply_4xx", 451)),
    ("exim", TLS_DENIED_FROM, "ehlo", ("starttls", "reply_5xx", 550)),
    ("osd-tls", SEEN_FROM, "starttls", ("handshake", "tls_alert", 80)),
    ("osd-filtered", BLOCKED_FROM, "connect", ("greeting", "reply_5xx", 550)),
    ("sendmail", SEEN_FROM, "done", None),
    ("sendmail", HIDDEN_FROM, "ehlo", None),
    ("sendmail", BLOCKED_FROM, "ehlo", None),
    ("refused", SEEN_FROM, "resolve", ("connect", "refused", 111)),
    ("unreachable", SEEN_FROM, "resolve", ("connect", "unreachable", 113)),
    ("unheard", SEEN_FROM, "resolve", ("connect", "timeout", None)),
    ("inside", SEEN_FROM, "resolve", ("connect", "refused_address", None)),
    ("loop", SEEN_FROM, "resolve", ("connect", "refused_address", None)),
    ("sixth", HIDDEN_FROM, "resolve", ("connect", "no_family", None)),
]
DIFFERING = {
    "hides.lab.test": {"mx.hides.lab.test"},
    "implicit.lab.test": {"implicit.lab.test"},
    "alias.lab.test": {"mx.alias.lab.test"},
    "tlsa-alias.lab.test": {"mx.tlsa-alias.lab.test"},
    "backup.lab.test": {"a.backup.lab.test"},
    "exim.lab.test": {"mx.exim.lab.test"},
    "next-of-exim.lab.test": {"mx.exim.lab.test"},
    "sendmail.lab.test": {"mx.sendmail.lab.test"},
}
"""Domains whose servers show STARTTLS to some of our sources only, and which MX host does."""
DANE = {
    Verdict.PASS: "hides expired chained exim alias tlsa-alias alias-outside implicit-tlsa tlsa-anchor"
    " tlsa-anchor-key tlsa-beside-pkix tlsa-old",
    Verdict.PARTIAL: "next next-of-exim half.insecure.test",
    Verdict.FAIL: "misnamed plain tlsa-bogus tlsa-wrong tlsa-unusable tlsa-unusable-plain tlsa-stronger-wrong"
    " tlsa-anchor-misnamed tlsa-anchor-expired tlsa-anchor-itself tlsa-nameless tlsa-second equal"
    " half-wrong.insecure.test bogus.test",
    Verdict.UNKNOWN: "tlsa-lost lost next-of-lame hollow textual address null-ten lame.test mute.test",
    Verdict.NOT_APPLICABLE: "null empty nowhere",
}
"""As seen from one source, by what Unbound says of the records. Everywhere else there is nothing to hold it to."""
UNACCEPTED = {
    "expired": "certificate-expired",
    "misnamed": "certificate-host-mismatch",
    "backup": "certificate-host-mismatch",
    "under": "certificate-host-mismatch",
    "anonymous": "anonymous-tls",
}
"""Certificates that no verifying sender takes, and why."""


def full(name: str) -> str:
    """The domain of this name in the table."""
    return name if "." in name else f"{name}.lab.test"


def test_the_run_ends_well_and_says_so(mail_world: MailWorld, scanned: Scanned) -> None:
    """Exit 0: every row concluded. Our sources have an identity that DNS confirms, so nobody had to say otherwise.

    Two servers named a blocklist: they were left alone by that source from then on.
    """
    assert (scanned.code, scanned.errors.splitlines()[-1]) == (
        0,
        f"starttls: every row concluded: {len(mail_world.domains)} rows",
    )
    assert "--i-am-testing" not in scanning.OPTIONS
    assert (scanned.manifest["state"], scanned.manifest["exit_code"]) == ("complete", 0)
    assert scanned.manifest["resolvers"] == [{"name": mail_world.resolver, "validates": True}]
    assert [each["address"] for each in scanned.manifest["sources"]] == list(mail_world.sources)
    assert all(each["connections"] for each in scanned.manifest["sources"])
    assert {line.partition(": ")[0] for line in scanned.manifest["parked"]} == {
        f"{BLOCKED_FROM} at mx.blocks.lab.test",
        f"{BLOCKED_FROM} at mx.exim.lab.test",
    }


def test_every_domain_has_its_row(mail_world: MailWorld, scanned: Scanned) -> None:
    """One row for each line of the list, with what the list said of it."""
    assert sorted(row["n"] for row in scanned.rows.values()) == list(range(1, len(mail_world.domains) + 1))
    for n, domain in enumerate(mail_world.domains, 1):
        row = scanned.rows[domain]
        assert (row["n"], row["input"]["columns"]) == (n, [{"name": "asked by", "value": "servers"}])
        assert row["truncated"] is False


def test_every_line_is_as_the_schema_says(scanned: Scanned) -> None:
    """Rows and certificates alike."""
    wrong = [error.message for line in scanned.lines for error in ROW.iter_errors(orjson.loads(line))]
    wrong += [error.message for line in scanned.certificates for error in CERTIFICATE.iter_errors(line)]
    assert wrong == []


def test_the_certificate_file_holds_each_certificate_once(scanned: Scanned) -> None:
    """Whatever a row names is there, and nothing else; each is named by its own digest."""
    named = {
        sha256
        for row in scanned.rows.values()
        for session in row["sessions"]
        for sha256 in (session["tls"] or {"chain": []})["chain"]
    }
    assert sorted(line["sha256"] for line in scanned.certificates) == sorted(named)
    for line in scanned.certificates:
        assert hashlib.sha256(base64.b64decode(line["der"])).hexdigest() == line["sha256"]


def test_every_source_gets_the_verdict_of_the_table(mail_world: MailWorld, scanned: Scanned) -> None:
    """Judged from its own sessions alone."""
    wrong = [
        (domain, source, seen.status, seen.starttls, expected)
        for domain in mail_world.domains
        for source in mail_world.sources
        for seen, expected in [(scanned.from_source(domain, source), mail_world.expected(domain, source))]
        if not expected.is_met_by(seen)
    ]
    assert wrong == []


def test_a_row_folds_what_its_sources_saw(mail_world: MailWorld, scanned: Scanned) -> None:
    """docs/verdicts.md, folding: the worst decides; what may pass makes a row inconclusive before what lasts."""
    for domain in mail_world.domains:
        row = scanned.rows[domain]
        expected = [mail_world.expected(domain, source) for source in mail_world.sources]
        assert row["starttls"] == fold(each.starttls for each in expected), domain
        held = {each.status for each in expected if each.starttls is Verdict.UNKNOWN}
        is_concluded = row["starttls"] not in {Verdict.UNKNOWN, Verdict.NOT_APPLICABLE}
        if is_concluded:
            assert row["status"] == Status.OK, domain
        elif held:
            assert row["status"] == (Status.INCONCLUSIVE if Status.INCONCLUSIVE in held else held.pop()), domain


def test_a_stored_row_judged_again_says_the_same(scanned: Scanned) -> None:
    """The judgement is a function of what is stored."""
    for domain, record in scanned.records.items():
        assert record.evidence is not None
        again = scanned.judge(record.evidence, record.observed_at)
        assert replace(again, causes=()) == replace(record.assessment, causes=()), domain


@pytest.mark.parametrize(("name", "source", "stage", "fault"), ENDINGS)
def test_every_session_ends_where_the_server_ended_it(
    scanned: Scanned, name: str, source: str, stage: str, fault: tuple[str, str, int | None] | None
) -> None:
    """Stage and fault, for the source that is treated so."""
    first = scanning.sessions_of(scanned.rows[full(name)], source)[0]
    seen = first["fault"] and (first["fault"]["stage"], first["fault"]["kind"], first["fault"]["code"])
    assert (first["stage"], seen) == (stage, fault)
    assert first["source_address"] == source


def test_who_hides_starttls_from_one_client_is_found_out(scanned: Scanned) -> None:
    """Postfix, Exim and Sendmail do: true, with a finding at the MX host that does it. Nobody else differs."""
    differing = {domain: row for domain, row in scanned.rows.items() if row["differs_by_source"]}
    assert {domain: hosts_with("source-dependent", row) for domain, row in differing.items()} == DIFFERING
    told = {
        domain: next(it["detail"] for it in row["findings"] if it["type"] == "source-dependent")
        for domain, row in differing.items()
    }
    assert f"{HIDDEN_FROM}: no" in told["hides.lab.test"]
    assert f"{SEEN_FROM}: yes" in told["hides.lab.test"]
    assert BLOCKED_FROM not in told["exim.lab.test"], "a blocked source is not one without STARTTLS"
    assert scanned.rows["blocks.lab.test"]["differs_by_source"] is False
    assert scanned.rows["refused.lab.test"]["differs_by_source"] is None


def test_dane_is_as_unbound_says(mail_world: MailWorld, scanned: Scanned) -> None:
    """Secure, insecure, bogus, lost: each in its place."""
    expected = {full(name): verdict for verdict, names in DANE.items() for name in names.split()}
    assert expected.keys() <= set(mail_world.domains)
    seen = {domain: scanned.from_source(domain, SEEN_FROM).dane for domain in mail_world.domains}
    assert seen == {domain: expected.get(domain, Verdict.ABSENT) for domain in mail_world.domains}


def test_a_bogus_answer_is_never_a_missing_one(scanned: Scanned) -> None:
    """RFC 7672 section 2.1.2: bogus MX records, and bogus TLSA records below a host that is secure."""
    mx, below = scanned.rows["bogus.test"], scanned.rows["tlsa-bogus.lab.test"]
    assert (mx["route"]["validity"], mx["route"]["fault"]["kind"]) == ("bogus", "bogus")
    assert (mx["status"], mx["starttls"], mx["first_finding"]) == ("remote_fault", "unknown", "dnssec-invalid")
    host = below["route"]["mx"][0]
    assert (host["validity"], host["tlsa_lookup"]["fault"]["kind"]) == ("secure", "bogus")
    assert (below["starttls"], below["first_finding"]) == ("absent", "dnssec-invalid")


@pytest.mark.parametrize(("name", "finding"), UNACCEPTED.items())
def test_a_poor_certificate_is_named(scanned: Scanned, name: str, finding: str) -> None:
    """And says nothing about STARTTLS."""
    seen = scanned.from_source(full(name), SEEN_FROM)
    assert (seen.webpki, finding in {it.type for it in seen.findings}) == (Verdict.FAIL, True)
    assert seen.starttls in {Verdict.PASS, Verdict.PARTIAL}


def test_a_good_certificate_is_accepted(scanned: Scanned) -> None:
    """One that is an anchor itself, and one that an authority signed."""
    for name in ("hides", "chained", "exim", "sendmail"):
        assert scanned.from_source(full(name), SEEN_FROM).webpki is Verdict.PASS


def test_a_scanner_that_nobody_can_identify_may_not_scan(mail_world: MailWorld, lab: Lab) -> None:
    """Exit 5 before anything is sent: the name resolves, and no reverse name leads back to it."""
    listed = lab.home / "one.csv"
    listed.write_text("hides.lab.test\n")
    words = ("scan", str(listed), "-o", str(lab.home / "one.jsonl"), "--ehlo-name", "mx.hides.lab.test")
    done = scanning.starttls(mail_world, *words, *scanning.OPTIONS)
    assert done.returncode == 5
    assert "no reverse name" in done.stderr.splitlines()[-1]
    assert not list(lab.home.glob("one.jsonl*"))


def hosts_with(finding: str, row: dict[str, Any]) -> set[str]:
    """The MX hosts that a row has this finding about."""
    return {it["mx"] for it in row["findings"] if it["type"] == finding}
