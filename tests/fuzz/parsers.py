"""Every parser of foreign bytes under one law: it raises what its docstring names and nothing else, what it returns is
no larger than its input allows, and it does not think for long.

A parser here is a function that takes bytes, calls the real one, swallows what may be raised, and returns what it got.
"""

import contextlib
import io
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import dns.message

from scanner import checkpoint, jsonl, targets, text
from scanner.model.policy import PolicyFetch
from scanner.model.route import Answer, MxRecord
from scanner.model.session import Reply
from scanner.net import answers, validating
from scanner.protocols import certificate, ehlo, exclusions, mta_sts, mx, replies, tlsrpt
from scanner.protocols.special_addresses import refusal
from scanner.settings import Limits
from scanner.targets import domain_names, policies, streams
from tests.fuzz import changed_rows

LIMITS = Limits()
SECONDS_MOST = 2.0
"""Of processor time, for the largest input: a thousand times what they take."""
INPUT_MOST = 64 * 1024
GROWTH = 64
"""How many times larger than the input the text of a result may be; what a parser adds of its own is small."""
OWN_LETTERS = 64 * 1024


def reply(data: bytes) -> object:
    """The first byte says how large the pieces are that arrive."""
    reader = replies.ReplyReader(LIMITS.greeting_bytes, LIMITS.reply_lines)
    size = max(1, data[0] if data else 1)
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
    reader.end()
    lines = (reader.reply or reader.partial).lines
    assert sum(map(len, lines)) <= LIMITS.greeting_bytes
    assert len(lines) <= LIMITS.reply_lines + 1
    assert len(reader.leftover) <= replies.LEFTOVER_BYTES
    return lines, reader.oddities, reader.fault_kind, replies.coded_lines(Reply(0, lines))


def hello(data: bytes) -> object:
    """A reply to EHLO after a greeting; the greeting ends at the first NUL."""
    first, _, rest = data.partition(b"\0")
    greeting, answer = Reply(220, tuple(first.split(b"\n"))), Reply(250, tuple(rest.split(b"\n")))
    return (
        ehlo.keywords(answer),
        ehlo.offers_starttls(answer),
        ehlo.oddities(greeting, answer),
        ehlo.echoed_address(answer),
        ehlo.accused_addresses(answer),
    )


def read_certificate(data: bytes) -> object:
    read = certificate.read(data)
    return jsonl.encode_certificate(read)


def sts_record(data: bytes) -> object:
    """Several TXT records, one a line."""
    return mta_sts.read_record(Answer("_mta-sts.d.test", tuple(data.split(b"\n"))))


def sts_policy(data: bytes) -> object:
    announced = mta_sts.read_record(Answer("_mta-sts.d.test", (b"v=STSv1; id=1",)))
    found = mta_sts.read_policy(announced, PolicyFetch("192.0.2.1", 200, "text/plain", data))
    return found.policy and [mta_sts.covers(found.policy, name) for name in ("mx.d.test", "", "*.d.test")], found.defect


def tls_rpt(data: bytes) -> object:
    return tlsrpt.read(Answer("_smtp._tls.d.test", tuple(data.split(b"\n"))))


def mail_route(data: bytes) -> object:
    """MX records, one a line: two bytes of preference, then the name as a resolver shows it."""
    lines = data.split(b"\n")
    records = tuple(MxRecord(int.from_bytes(line[:2], "big"), line[2:].decode("latin-1")) for line in lines)
    order = mx.order("d.test", Answer("d.test", records), 1, LIMITS.mx_hosts)
    assert len(order.hosts) <= LIMITS.mx_hosts
    return order, [mx.is_host_name(name) for _, name in order.hosts]


def left_alone(data: bytes) -> object:
    with contextlib.suppress(ValueError):
        rules = exclusions.read(data.decode("utf-8", "surrogateescape"))
        return rules.rule_for_name("mx.d.test")
    return None


def listed(name: str, data: bytes) -> object:
    """A list, packed or not."""
    rows: list[object] = []
    with contextlib.suppress(targets.ListRefused):
        stream = streams.unpacked(io.BytesIO(data), name, LIMITS)
        rows_of = targets.TargetList(stream, targets.Form("", ""), LIMITS)
        while len(rows) < 10_000 and (batch := rows_of.batch()):
            rows += [(row.n, row.domain, row.fault, row.policy) for row in batch]
            assert all(len(row.domain) <= 253 for row in batch)
    return rows[:100]


def name_of_list(data: bytes) -> object:
    words = data.decode("utf-8", "surrogateescape")
    return domain_names.read(words), policies.read(words)


def stored_row(data: bytes) -> object:
    with contextlib.suppress(ValueError):
        return jsonl.decode(data, {})
    return None


def changed_row(data: bytes) -> object:
    """A good row with anything put at any place of it: what is read of it can be written, judged and explained."""
    changed_rows.obeyed(changed_rows.from_bytes(data))
    return None


def stored_certificate(data: bytes) -> object:
    with contextlib.suppress(ValueError):
        return jsonl.decode_certificate(data)
    return None


def stored_checkpoint(data: bytes) -> object:
    with contextlib.suppress(checkpoint.Refused):
        return checkpoint.encode(checkpoint.decode(data))
    return None


def shown_text(data: bytes) -> object:
    """What a peer said comes back as it was, and stays printable on its way."""
    shown = text.from_bytes(data)
    assert text.to_bytes(shown) == data
    assert json.loads(json.dumps(shown)) == shown
    assert all(letter >= " " and not "\x7f" <= letter <= "\x9f" for letter in shown)
    return shown


def restored_text(data: bytes) -> object:
    """Text of a stored row that somebody changed."""
    words = data.decode("utf-8", "replace")
    with contextlib.suppress(ValueError):
        return text.to_bytes(words), text.to_str(words)
    return None


def resolver_name(data: bytes) -> object:
    words = data.decode("latin-1")
    with contextlib.suppress(ValueError):
        return answers.server_address(words), answers.is_askable(words)
    return None


def address(data: bytes) -> object:
    with contextlib.suppress(ValueError):
        return refusal(data.decode("latin-1"), ())
    return None


def dns_message(kind: str, data: bytes) -> object:
    """A message as a resolver may send it, read as the answer to one question."""
    response: dns.message.Message | None = validating._read(data)
    if response is None:
        return None
    fault = validating._rcode_fault(response)
    return fault or validating._answer("d.test", kind, response, READERS[kind])


READERS: Mapping[str, Callable[[Any], object] | None] = {
    "TLSA": None,
    "MX": lambda found: (found.preference, validating._text(found.exchange)),
    "A": lambda found: str(found.address),
    "TXT": lambda found: b"".join(found.strings),
}
"""As the methods of ValidatingResolver read one record."""


PARSERS: Mapping[str, Callable[[bytes], object]] = {
    "reply": reply,
    "ehlo": hello,
    "certificate": read_certificate,
    "sts-record": sts_record,
    "sts-policy": sts_policy,
    "tls-rpt": tls_rpt,
    "mx": mail_route,
    "exclusions": left_alone,
    "list": partial(listed, "list"),
    "list-gzip": partial(listed, "list.gz"),
    "list-zstd": partial(listed, "list.zst"),
    "list-name": name_of_list,
    "row": stored_row,
    "row-changed": changed_row,
    "row-certificate": stored_certificate,
    "checkpoint": stored_checkpoint,
    "text": shown_text,
    "text-back": restored_text,
    "resolver": resolver_name,
    "address": address,
    "dns-tlsa": partial(dns_message, "TLSA"),
    "dns-mx": partial(dns_message, "MX"),
    "dns-a": partial(dns_message, "A"),
    "dns-txt": partial(dns_message, "TXT"),
}


def obey(name: str, data: bytes) -> None:
    """Hold one parser to the law. Raises whatever it raises, and AssertionError where it takes or returns too much."""
    began_s = time.process_time()
    result = PARSERS[name](data[:INPUT_MOST])
    took_s = time.process_time() - began_s
    assert took_s < SECONDS_MOST, f"{name} took {took_s:.1f} s"
    assert len(repr(result)) <= GROWTH * len(data) + OWN_LETTERS, f"{name} returned too much"
