"""MTA-STS: the TXT record that announces a policy, the policy file, and which MX hosts it covers.

Touches: nothing. Source: RFC 8461 sections 3.1, 3.2, 3.3, 4.1.
"""

import re
from dataclasses import replace

from scanner.model.policy import MtaSts, PolicyFetch, StsMode, StsPolicy
from scanner.model.route import Answer

VERSION = re.compile(rb"v=STSv1[ \t]*;")
BARE_VERSION = re.compile(rb"v=STSv1[ \t]*\Z")
ID = re.compile(rb"[A-Za-z0-9]{1,32}")
FIELD = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~]+")
MAX_AGE = re.compile(r"\d{1,10}", re.ASCII)
MAX_AGE_MOST_S = 31_557_600
MX_PATTERN = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def read_record(txt: Answer[bytes]) -> MtaSts:
    """Find the one valid record. `defect`: `several_records`, `bad_id`, `bad_field`."""
    announced = [record for record in txt.records if VERSION.match(record)]  # RFC 8461 s3.1: others are discarded
    if not announced and any(map(BARE_VERSION.match, txt.records)):
        return MtaSts(txt, defect="bad_id")  # no policy, and somebody meant to have one
    if len(announced) != 1:
        return MtaSts(txt, defect="several_records" if announced else "")
    _version, *fields, last = [field.strip(b" \t") for field in announced[0].split(b";")]
    fields += [last] if last else []  # one `;` may end the record
    found = next((field[3:] for field in fields if field.startswith(b"id=")), b"")
    if not ID.fullmatch(found):
        return MtaSts(txt, defect="bad_id")
    if not all(map(FIELD.fullmatch, fields)):  # RFC 8461 s3.1: a record that breaks the grammar is no record
        return MtaSts(txt, defect="bad_field")
    return MtaSts(txt, id=found.decode("ascii"))


def read_policy(announced: MtaSts, fetch: PolicyFetch) -> MtaSts:
    """Read the policy file. A failed fetch leaves no policy (RFC 8461 section 3.3) and keeps its fault."""
    if fetch.fault is not None:
        return replace(announced, fetch=fetch, defect="fetch")
    try:
        return replace(announced, fetch=fetch, policy=parse(fetch.body))
    except ValueError as defect:
        return replace(announced, fetch=fetch, defect=str(defect))


def parse(body: bytes) -> StsPolicy:
    """Parse a policy file. Raises ValueError with one word: `encoding`, `line`, `version`, `mode`, `max_age`, `mx`."""
    try:
        lines = body.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise ValueError("encoding") from None
    fields: dict[str, str] = {}
    patterns: list[str] = []
    for line in filter(None, (line.removesuffix("\r") for line in lines)):
        key, colon, value = line.partition(":")  # RFC 8461 s3.2: blanks may follow the colon or the value, nothing else
        if not colon:
            raise ValueError("line")
        if key == "mx":
            patterns.append(value.strip(" \t").lower())
        else:
            fields.setdefault(key, value.strip(" \t"))  # RFC 8461 s3.2: of duplicates the first counts
    return checked(fields, patterns)


def checked(fields: dict[str, str], patterns: list[str]) -> StsPolicy:
    """Hold the fields against RFC 8461 section 3.2."""
    if fields.get("version") != "STSv1":
        raise ValueError("version")
    if fields.get("mode") not in {mode.value for mode in StsMode}:
        raise ValueError("mode")
    max_age = fields.get("max_age", "")
    if not MAX_AGE.fullmatch(max_age) or int(max_age) > MAX_AGE_MOST_S:
        raise ValueError("max_age")
    mode = StsMode(fields["mode"])
    if not all(map(MX_PATTERN.fullmatch, patterns)) or (not patterns and mode is not StsMode.NONE):
        raise ValueError("mx")
    return StsPolicy(mode, int(max_age), tuple(patterns))


def covers(policy: StsPolicy, mx: str) -> bool:
    """Tell whether a pattern covers this MX host: exactly, or `*.` for one left-most label (RFC 8461 section 4.1)."""
    name = mx.lower().rstrip(".")
    parent = name.partition(".")[2]
    return any(pattern == name or (bool(parent) and pattern == f"*.{parent}") for pattern in policy.mx)
