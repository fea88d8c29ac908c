"""The whole row: the flat head that a warehouse groups by, and the evidence behind it.

Touches: nothing. Source: docs/record.md.
"""

from collections.abc import Iterable, Iterator

from scanner import schema, text
from scanner.jsonl import directions, judgement
from scanner.jsonl.caps import HEAD_LETTERS, Caps, Pen
from scanner.jsonl.certificates import Certificates
from scanner.jsonl.sessions import read_canary, read_session, write_canary, write_session
from scanner.jsonl.values import (
    Part,
    read_fault,
    read_int,
    read_list,
    read_text,
    read_text_if_any,
    read_time,
    read_version,
    read_word,
    write_fault,
    write_time,
)
from scanner.model.record import Evidence, Record
from scanner.model.route import Route
from scanner.model.session import Role, Session
from scanner.model.target import Target, TlsPolicy
from scanner.protocols.provider import provider

LEAST_SESSION_BYTES = 1000
"""The keys of a session alone take more."""
POLICIES = {policy.value: policy for policy in TlsPolicy}


def least_bytes(record: Record, caps: Caps) -> int:
    """Tell cheaply how long the row must become at least, so that nothing huge is written only to be thrown away."""
    sessions = record.evidence.sessions[: caps.sessions] if record.evidence else ()
    heard = 0
    for it in sessions:
        for reply in (it.greeting, it.ehlo, it.helo, it.starttls, it.ehlo_tls):
            if reply is not None:
                heard += shown_bytes(reply.lines[: caps.reply_lines], caps.line_bytes)
    return len(sessions) * LEAST_SESSION_BYTES + heard


def shown_bytes(lines: tuple[bytes, ...], most_bytes: int) -> int:
    """Count what is written of these lines, each cut to `most_bytes`."""
    whole = sum(map(len, lines))
    return whole if whole <= most_bytes else sum(min(len(line), most_bytes) for line in lines)


def write_record(record: Record, pen: Pen) -> dict[str, object]:
    """Write the row. `truncated` is filled in last, when it is known."""
    target, evidence, assessment = record.target, record.evidence, record.assessment
    sessions = () if evidence is None else evidence.sessions
    canaries = () if evidence is None else evidence.canaries
    row = {
        "schema": schema.VERSION,
        "run_id": text.from_str(record.run_id[:HEAD_LETTERS]),
        "n": target.n,
        "domain": text.from_str(target.domain[:HEAD_LETTERS]) or None,
        "input": write_target(target, pen),
        "observed_at": write_time(record.observed_at),
        **judgement.write_verdicts(assessment),
        **write_extent(evidence, pen),
        "truncated": False,
        **judgement.write_conclusions(assessment, mail_sources(sessions), pen),
        "route": None if evidence is None else directions.write_route(evidence.route, pen),
        "policies": None if evidence is None else write_policies(evidence, pen),
        **pen.listed("canaries", canaries, lambda it: write_canary(it, pen), pen.caps.items),
        **pen.listed("sessions", sessions, lambda it: write_session(it, pen), pen.caps.sessions),
    }
    row["truncated"] = pen.cut
    return row


def mail_sources(sessions: Iterable[Session]) -> Iterator[str]:
    """Name the sources that mail is sent from, in the order of their sessions."""
    return (session.source for session in sessions if session.role is Role.MAIL)


def write_target(target: Target, pen: Pen) -> dict[str, object]:
    """Write what the list said."""
    return {
        "raw": pen.text(target.raw),
        **pen.listed("columns", target.columns, lambda it: _write_column(it, pen), pen.caps.items),
        "tls_policy": target.policy,
        "fault": write_fault(target.fault, pen),
    }


def _write_column(column: tuple[str, str], pen: Pen) -> dict[str, object]:
    return {"name": pen.text(column[0]), "value": pen.text(column[1])}


def write_extent(evidence: Evidence | None, pen: Pen) -> dict[str, object]:
    """Write what the evidence comes to: versions, counts, whose hosts they are."""
    route = None if evidence is None else evidence.route
    sessions = () if evidence is None else evidence.sessions
    versions = sorted({it.handshake.version for it in sessions if it.handshake is not None})  # SSLv3 < TLSv1 < TLSv1.3
    return {
        "tls_version_min": pen.text(versions[0]) if versions else None,
        "tls_version_max": pen.text(versions[-1]) if versions else None,
        "mx_count": None if route is None else route.mx_count,
        "endpoint_count": None if route is None else endpoint_count(sessions),
        "provider": None if route is None else provider_of(route, pen),
    }


def endpoint_count(sessions: tuple[Session, ...]) -> int:
    """Count the pairs of MX host and address that were visited."""
    return len({(it.endpoint.mx, it.endpoint.address) for it in sessions})


def provider_of(route: Route, pen: Pen) -> str | None:
    """Name the registered domain of the first MX host."""
    name = provider(route.hosts[0].name[:HEAD_LETTERS]) if route.hosts else None
    return None if name is None else pen.text(name)


def write_policies(evidence: Evidence, pen: Pen) -> dict[str, object]:
    """Write what is published beside the MX."""
    return {
        "mta_sts": directions.write_mta_sts(evidence.mta_sts, pen),
        "tls_rpt": directions.write_tls_rpt(evidence.tls_rpt, pen),
    }


def read_record(row: Part, certificates: Certificates) -> Record:
    """Undo `write_record`."""
    read_version(row["schema"])
    return Record(
        run_id=_read_name(row["run_id"]),
        target=read_target(row),
        observed_at=read_time(row["observed_at"]),
        evidence=None if row["route"] is None else read_evidence(row, certificates),
        assessment=judgement.read_assessment(row, certificates.predictions),
    )


def read_target(row: Part) -> Target:
    """Undo `write_target`."""
    given = row["input"]
    return Target(
        n=_read_n(row["n"]),
        domain="" if row["domain"] is None else _read_name(row["domain"]),
        raw=read_text(given["raw"]),
        columns=read_list(given["columns"], _read_column),
        fault=read_fault(given["fault"]),
        policy=None if given["tls_policy"] is None else read_word(POLICIES, given["tls_policy"]),
    )


def _read_name(shown: object) -> str:
    """Read a name of the head: none is written longer, nor could be written again."""
    name = read_text(shown)
    if len(name) > HEAD_LETTERS:
        raise ValueError(f"a name of more than {HEAD_LETTERS} letters")
    return name


def _read_n(number: object) -> int:
    n = read_int(number)
    if n < 1:
        raise ValueError("n is counted from 1")
    return n


def _read_column(part: Part) -> tuple[str, str]:
    return read_text(part["name"]), read_text(part["value"])


def read_evidence(row: Part, certificates: Certificates) -> Evidence:
    """Read what judgement needs."""
    return Evidence(
        route=directions.read_route(row["route"], read_text_if_any(row["domain"]), certificates.hosts),
        mta_sts=directions.read_mta_sts(row["policies"]["mta_sts"]),
        tls_rpt=directions.read_tls_rpt(row["policies"]["tls_rpt"]),
        sessions=read_list(row["sessions"], lambda it: read_session(it, certificates)),
        canaries=read_list(row["canaries"], read_canary),
    )
