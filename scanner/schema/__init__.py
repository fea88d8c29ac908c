"""JSON Schema of a row and of a line of the certificate file.

Sets of words are open: a new minor version may add some. They are named as `x-known-values`, never as an enumeration.

Touches: nothing. Source: JSON Schema 2020-12; docs/record.md.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Any

from scanner.model.assessment import Outcome, Status, Verdict
from scanner.model.fault import Kind, Side, Stage
from scanner.model.policy import StsMode
from scanner.model.route import Validity
from scanner.model.session import Hello, Oddity, Role
from scanner.model.target import TlsPolicy
from scanner.schema import fields, session_fields
from scanner.schema.fields import Field

MAJOR = "1"
VERSION = f"{MAJOR}.0"
INTEGER_MOST = (1 << 53) - 1
"""Beyond it, readers that keep numbers as doubles would change them (RFC 8259 section 6)."""

PARTS: dict[str, tuple[Field, ...]] = {
    "row": fields.ROW,
    "input": fields.INPUT,
    "column": fields.COLUMN,
    "fault": fields.FAULT,
    "delivery": fields.DELIVERY,
    "finding": fields.FINDING,
    "cause": fields.CAUSE,
    "prediction": fields.PREDICTION,
    "wait": fields.WAIT,
    "route": fields.ROUTE,
    "mx_record": fields.MX_RECORD,
    "host": fields.HOST,
    "lookup": fields.LOOKUP,
    "tlsa_record": fields.TLSA_RECORD,
    "policies": fields.POLICIES,
    "mta_sts": fields.MTA_STS,
    "fetch": fields.FETCH,
    "policy": fields.POLICY,
    "tls_rpt": fields.TLS_RPT,
    "session": session_fields.SESSION,
    "tls": session_fields.TLS,
    "leaf": fields.LEAF,
    "times": session_fields.TIMES,
    "canary": session_fields.CANARY,
    "certificate": fields.CERTIFICATE,
}
"""Every part of the record, in the order of docs/record.md."""


def _values(members: Iterable[Enum]) -> list[str]:
    return [str(member.value) for member in members]


WORDS: dict[str, list[str]] = {
    "status": _values(Status),
    "verdict": _values(Verdict),
    "outcome": _values(Outcome),
    "stage": [stage.word for stage in Stage],
    "kind": _values(Kind),
    "side": _values(Side),
    "validity": _values(Validity),
    "mode": _values(StsMode),
    "hello": _values(Hello),
    "oddity": _values(Oddity),
    "role": _values(Role),
    "tls_policy": _values(TlsPolicy),
    "key_type": ["rsa", "ec", "ed25519", "ed448", "dsa"],
}
"""Words known today, by set."""

_PLAIN: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "word": {"type": "string"},
    "hex": {"type": "string", "pattern": "^[0-9a-f]*$"},
    "time": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
    "int": {"type": "integer", "minimum": -INTEGER_MOST, "maximum": INTEGER_MOST},
    "flag": {"type": "boolean"},
}


def row() -> dict[str, Any]:
    """Describe a row."""
    return _document("row", "One domain")


def certificate() -> dict[str, Any]:
    """Describe a line of the certificate file."""
    return _document("certificate", "One certificate")


def _document(part: str, title: str) -> dict[str, Any]:
    """Make a self-contained schema of one part and all that it refers to."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{title}, version {VERSION}",
        **_object(part),
        "$defs": {name: _object(name) for name in PARTS if name in _needed(part)},
    }


def _needed(part: str) -> set[str]:
    """Name the parts that a part refers to, at any depth."""
    direct = {type_.strip("[]?") for _, type_, _ in PARTS[part]} & PARTS.keys()
    return direct.union(*map(_needed, direct))


def _object(part: str) -> dict[str, Any]:
    keys = PARTS[part]
    properties = {key: {**_type(type_), "description": meaning} for key, type_, meaning in keys}
    return {"type": "object", "properties": properties, "required": [key for key, _, _ in keys]}


def _type(written: str) -> dict[str, Any]:
    """Translate a type of `fields`."""
    if written.startswith("["):
        return {"type": "array", "items": _type(written[1:-1])}
    name, _, words = written.partition(":")
    plain = name.removesuffix("?")
    is_nullable = name.endswith("?")
    if plain in PARTS:
        reference = {"$ref": f"#/$defs/{plain}"}
        return {"anyOf": [reference, {"type": "null"}]} if is_nullable else reference
    made = dict(_PLAIN[plain])
    if is_nullable:
        made["type"] = [made["type"], "null"]
    if words:
        made["x-known-values"] = WORDS[words]
    return made
