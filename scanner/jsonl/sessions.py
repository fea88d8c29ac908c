"""One SMTP connection in a row: every line as it was on the wire, and the certificates by their digest.

Touches: nothing. Source: docs/record.md.
"""

from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

from scanner.jsonl.caps import FULL, Pen
from scanner.jsonl.certificates import Again, Certificates
from scanner.jsonl.once import written_once
from scanner.jsonl.values import (
    ROLES,
    STAGES,
    Part,
    read_bytes,
    read_fault,
    read_flag,
    read_int,
    read_list,
    read_text,
    read_text_if_any,
    read_time,
    read_word,
    write_fault,
    write_time,
    write_time_if_any,
)
from scanner.model.certificate import Certificate
from scanner.model.fault import Stage
from scanner.model.route import Endpoint
from scanner.model.session import Canary, Handshake, Hello, Oddity, Reply, Session
from scanner.protocols import ehlo

TIMED = tuple(stage.word for stage in Stage if stage >= Stage.CONNECT)
"""Stages that take time, in order."""
HELLOS = {hello.value: hello for hello in Hello}
ODDITIES = {oddity.value: oddity for oddity in Oddity}
CANARY_COUNTS = ("offered", "missing", "mangled", "unseen")
_OFFER_LINES = ehlo.KEYWORDS_MOST + 1

SESSIONS_KEPT = 512
"""Written once for all rows; some 8 KB each."""
LEAVES_KEPT = 512
"""Written once for all sessions; some 3 KB each."""
PER_DOMAIN = frozenset({"endpoint", "shared", "inherited"})
HELD = attrgetter(*(each.name for each in fields(Session) if each.name not in PER_DOMAIN))
"""What of a session does not depend on the domain that it was asked for."""
NOBODY = {"mx": None, "server_name": None, "inherited": None}
"""In the place of what a shared session does depend on; the address and the port are those of the server."""
Written = tuple[dict[str, object], dict[str, object], bool]


def write_session(session: Session, pen: Pen) -> object:
    """Write one connection. What thousands of rows have in common is written once, while nothing has to be cut."""
    return _shared(pen, session) if session.shared else _put_together(session, pen, _written(session, pen))


@written_once(SESSIONS_KEPT)
def _shared(pen: Pen, session: Session) -> object:
    """The very same session, under the same names."""
    written = _kept(Held(session)) if pen.caps is FULL else _written(session, pen)
    return _put_together(session, pen, written)


def _put_together(session: Session, pen: Pen, written: Written) -> dict[str, object]:
    """Add who asked."""
    endpoint, (origin, dialogue, is_cut) = session.endpoint, written
    pen.cut = pen.cut or is_cut
    text = pen.texts(endpoint.mx, endpoint.address, endpoint.server_name)
    return {
        "mx": text(endpoint.mx),
        "address": text(endpoint.address),
        "port": endpoint.port,
        "server_name": text(endpoint.server_name) if endpoint.server_name else None,
        **origin,
        "shared": session.shared,
        "inherited": session.inherited,
        **dialogue,
    }


class Held:
    """A connection as it was held, whichever domain asked for it: the same one where all of that is the same."""

    __slots__ = ("session",)

    def __init__(self, session: Session) -> None:
        self.session = session

    def __hash__(self) -> int:
        return hash((self.session.observed_at, self.session.source))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and HELD(self.session) == HELD(other.session)


@lru_cache(SESSIONS_KEPT)
def _kept(held: Held) -> Written:
    return _written(held.session, Pen(FULL))


def _written(session: Session, pen: Pen) -> Written:
    """Everything but the endpoint and who shares it, in two parts, and whether anything was cut."""
    return _origin(session, pen), _dialogue(session, pen), pen.cut


def _origin(session: Session, pen: Pen) -> dict[str, object]:
    text = pen.texts(session.source, session.source_address, session.egress, session.ehlo_name)
    return {
        "source": text(session.source),
        "source_address": text(session.source_address) if session.source_address else None,
        "role": session.role,
        "egress": text(session.egress) if session.egress else None,
        "ehlo_name": text(session.ehlo_name) if session.ehlo_name else None,
        "hello": session.hello,
        "follow_up": session.follow_up,
        "stage": session.stage.word,
        "fault": write_fault(session.fault, pen),
        "observed_at": write_time(session.observed_at),
    }


def _dialogue(session: Session, pen: Pen) -> dict[str, object]:
    ehlo_reply = session.ehlo
    offers = () if ehlo_reply is None else ehlo.keywords(Reply(ehlo_reply.code, ehlo_reply.lines[:_OFFER_LINES]))
    return {
        **write_reply("greeting", session.greeting, pen),
        **write_reply("ehlo", ehlo_reply, pen),
        **write_reply("helo", session.helo, pen),
        **pen.listed("keywords", offers, pen.text, pen.caps.items),
        **write_reply("starttls_reply", session.starttls, pen),
        "tls": write_handshake(session.handshake, pen),
        **write_reply("ehlo_tls", session.ehlo_tls, pen),
        **pen.listed("oddities", session.oddities, str, pen.caps.items),
        "unsolicited": pen.raw(session.unsolicited, pen.caps.line_bytes) if session.unsolicited else None,
        "times_ms": {**dict.fromkeys(TIMED), **dict(session.times_ms)},
    }


def write_reply(key: str, reply: Reply | None, pen: Pen) -> dict[str, object]:
    """Write the code and every line of a reply. No code: no reply; code 0: it was cut short."""
    lines, caps = () if reply is None else reply.lines, pen.caps
    return {
        f"{key}_code": None if reply is None else reply.code,
        **pen.listed(key, lines, pen.raws(lines, caps.line_bytes), caps.reply_lines),
    }


def write_handshake(handshake: Handshake | None, pen: Pen) -> dict[str, object] | None:
    """Write what was agreed and presented."""
    if handshake is None:
        return None
    chain = [pen.text(it.sha256) for it in pen.first(handshake.chain, pen.caps.items)]
    text = pen.texts(handshake.version, handshake.cipher, handshake.group or "", handshake.server_name)
    return {
        "version": text(handshake.version),
        "cipher": text(handshake.cipher),
        "group": None if handshake.group is None else text(handshake.group),
        "sni": text(handshake.server_name) if handshake.server_name else None,
        "chain": chain,
        "chain_count": handshake.chain_count,
        "chain_truncated": len(chain) < max(len(handshake.chain), handshake.chain_count),
        "leaf": _leaf(pen, handshake.chain[0]) if handshake.chain else None,
    }


@written_once(LEAVES_KEPT)
def _leaf(pen: Pen, leaf: Certificate) -> object:
    return write_leaf(leaf, pen)


def write_leaf(leaf: Certificate, pen: Pen) -> dict[str, object]:
    """Write the facts of one certificate. Names beyond the cap are no loss to the row: its DER is kept elsewhere."""
    names = leaf.dns_names[: pen.caps.names]
    return {
        "sha256": pen.text(leaf.sha256),
        "subject": pen.text_if_any(leaf.subject),
        "issuer": pen.text_if_any(leaf.issuer),
        "common_name": pen.text_if_any(leaf.common_name),
        "serial": pen.text_if_any(leaf.serial),
        "names": [pen.text(name) for name in names],
        "names_count": len(leaf.dns_names),
        "names_truncated": len(names) < len(leaf.dns_names),
        "not_before": write_time_if_any(leaf.not_before_at),
        "not_after": write_time_if_any(leaf.not_after_at),
        "key_type": pen.text_if_any(leaf.key_type),
        "key_bits": leaf.key_bits,
        "signature_hash": pen.text_if_any(leaf.signature_hash),
        "self_issued": leaf.self_issued,
        "server_auth": leaf.server_auth,
    }


def read_session(part: Part, certificates: Certificates) -> Session:
    """Undo `write_session`. Certificates that are missing are kept by their digest, without DER.

    One that rows share is read once for all of them; of any other, nobody asks a second time.
    """
    if part["shared"] is not True:
        return _read_session(part, certificates)
    again = certificates.sessions({**part, **NOBODY}, lambda _: Again(_read_session(part, certificates)))
    return again.under(_read_endpoint(part), read_flag(part["inherited"]))


def _read_session(part: Part, certificates: Certificates) -> Session:
    unsolicited = part["unsolicited"]
    return Session(
        endpoint=_read_endpoint(part),
        source=read_text(part["source"]),
        source_address=read_text_if_any(part["source_address"]),
        ehlo_name=read_text_if_any(part["ehlo_name"]),
        observed_at=read_time(part["observed_at"]),
        role=read_word(ROLES, part["role"]),
        hello=read_word(HELLOS, part["hello"]),
        follow_up=read_int(part["follow_up"]),
        stage=read_word(STAGES, part["stage"]),
        egress=read_text_if_any(part["egress"]),
        greeting=read_reply("greeting", part),
        ehlo=read_reply("ehlo", part),
        helo=read_reply("helo", part),
        starttls=read_reply("starttls_reply", part),
        handshake=_read_handshake(part["tls"], certificates),
        ehlo_tls=read_reply("ehlo_tls", part),
        fault=read_fault(part["fault"]),
        oddities=read_list(part["oddities"], _read_oddity),
        unsolicited=b"" if unsolicited is None else read_bytes(unsolicited),
        times_ms=_read_times(part["times_ms"]),
        shared=read_flag(part["shared"]),
        inherited=read_flag(part["inherited"]),
    )


def _read_endpoint(part: Part) -> Endpoint:
    server_name = read_text_if_any(part["server_name"])
    return Endpoint(read_text(part["mx"]), read_text(part["address"]), read_int(part["port"]), server_name)


def _read_oddity(word: str) -> Oddity:
    return read_word(ODDITIES, word)


def _read_times(part: Part) -> tuple[tuple[str, int], ...]:
    return tuple([(stage, read_int(part[stage])) for stage in TIMED if part[stage] is not None])


def read_reply(key: str, part: Part) -> Reply | None:
    """Undo `write_reply`."""
    code = part[f"{key}_code"]
    return None if code is None else Reply(read_int(code), read_list(part[key], read_bytes))


def _read_handshake(part: Part | None, certificates: Certificates) -> Handshake | None:
    if part is None:
        return None
    return Handshake(
        version=read_text(part["version"]),
        cipher=read_text(part["cipher"]),
        group=None if part["group"] is None else read_text(part["group"]),
        server_name=read_text_if_any(part["sni"]),
        chain=read_list(part["chain"], certificates.__getitem__),
        chain_count=read_int(part["chain_count"]),
    )


def write_canary(canary: Canary, pen: Pen) -> dict[str, object]:
    """Write what one source saw of the canaries."""
    counts = {key: getattr(canary, key) for key in CANARY_COUNTS}
    return {"source": pen.text(canary.source), **counts}


def read_canary(part: Part) -> Canary:
    """Undo `write_canary`."""
    return Canary(read_text(part["source"]), **{key: read_int(part[key]) for key in CANARY_COUNTS})


def write_certificate(it: Certificate, pen: Pen) -> dict[str, Any]:
    """Write the facts of one certificate, without its DER."""
    return {
        **write_leaf(it, pen),
        **pen.listed("unreadable", it.unreadable, pen.text, pen.caps.items),
    }
