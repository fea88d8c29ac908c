"""MTA-STS as we read it, beside postfix-mta-sts-resolver; every difference is in docs/mta-sts-differences.md."""

import base64
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from scanner.model.fault import Fault, Kind, Stage
from scanner.model.policy import PolicyFetch, StsMode
from scanner.model.route import Answer
from scanner.protocols.mta_sts import covers, read_policy, read_record
from scanner.settings import Limits
from tests.oracles.variants import VARIANTS, Variant

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "out" / "oracles" / "venv" / "bin" / "python"
PAGE = ROOT / "docs" / "mta-sts-differences.md"
DIFFERENT = re.compile(
    r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| RFC 8461 s[^|]+ \| (?:we|they)[:,] [^|]+ \|$", re.MULTILINE
)
LAX = re.compile(r"^\| ([^|]+) \| RFC 8461 s[^|]+ \| [^|]+ \|$", re.MULTILINE)


@dataclass(frozen=True)
class Reading:
    """What somebody makes of a variant; `word` says why there is no policy, each in his own words."""

    word: str = ""
    policy_id: str = ""
    mode: str = ""
    max_age_s: int = 0
    mx: tuple[str, ...] = ()
    covered: tuple[str, ...] = ()


def ours(variant: Variant) -> Reading:
    """As a scan would."""
    announced = read_record(Answer("_mta-sts.example.org", variant.records))
    if not announced.id:
        return Reading(announced.defect or "no record")
    media_type = (variant.content_type or "").partition(";")[0].lower()
    fetch = PolicyFetch(status=200, media_type=media_type, body=variant.body)
    if len(variant.body) > Limits().policy_bytes:
        fetch = PolicyFetch(status=200, fault=Fault(Stage.POLICY, Kind.TOO_LONG))
    read = read_policy(announced, fetch)
    if read.policy is None:
        return Reading(read.defect)
    policy = read.policy
    covered = tuple(host for host in variant.hosts if policy.mode is not StsMode.NONE and covers(policy, host))
    return Reading("", read.id, policy.mode.value, policy.max_age_s, tuple(sorted(set(policy.mx))), covered)


@pytest.fixture(scope="module")
def theirs() -> dict[str, Reading]:
    """All answers of the other implementation, by the name of the variant."""
    if not PYTHON.exists():
        pytest.skip("tests/oracles/run installs it")
    questions = [
        {
            "records": [base64.b64encode(record).decode() for record in variant.records],
            "body": base64.b64encode(variant.body).decode(),
            "content_type": variant.content_type,
        }
        for variant in VARIANTS
    ]
    script = [str(PYTHON), str(Path(__file__).with_name("postfix_mta_sts.py"))]
    told = subprocess.run(script, input=json.dumps(questions), capture_output=True, text=True, check=True, timeout=50)
    answers = json.loads(told.stdout)
    return {variant.name: their(variant, answer) for variant, answer in zip(VARIANTS, answers, strict=True)}


def their(variant: Variant, answer: dict[str, object]) -> Reading:
    """Read one answer."""
    policy = answer["policy"]
    if not isinstance(policy, dict) or answer["status"] != "VALID":
        return Reading({"NONE": "no record", "FETCH_ERROR": "policy error"}[str(answer["status"])])
    patterns = tuple(sorted({pattern.lower() for pattern in policy["mx"]}))
    covered = tuple(host for host in variant.hosts if matched(str(answer["told"]), host))
    return Reading("", str(answer["id"]), policy["mode"], policy["max_age"], patterns, covered)


def matched(told: str, host: str) -> bool:
    """Whether Postfix takes a certificate with this name: in `match=` a dot at the front means any depth below."""
    found = re.search(r"secure match=(\S*)", told)
    name = host.lower().rstrip(".")
    patterns = found[1].lower().split(":") if found else []
    return any(name.endswith(each) and name != each if each.startswith(".") else name == each for each in patterns)


def told_apart(one: Reading, other: Reading) -> tuple[str, str] | None:
    """The two readings in words, where they differ: first whether there is a policy, then everything in it."""
    if one.word or other.word:
        both = (shown(one), shown(other))
        return None if one.word and other.word else both
    fields = ("policy_id", "mode", "max_age_s", "mx", "covered")
    apart = [field for field in fields if getattr(one, field) != getattr(other, field)]
    if not apart:
        return None
    first, second = (
        "; ".join(f"{field.replace('_', ' ')} {_plain(getattr(it, field))}" for field in apart) for it in (one, other)
    )
    return first, second


def shown(reading: Reading) -> str:
    return f"refused: {reading.word}" if reading.word else "accepted"


def _plain(value: object) -> str:
    words = ", ".join(value) if isinstance(value, tuple) else str(value)
    return f"`{words}`" if words else "none"


def test_every_variant_has_a_name_of_its_own() -> None:
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS) >= 29


def test_the_page_says_how_many_variants_there_are() -> None:
    assert f"{len(VARIANTS)} variants" in PAGE.read_text("utf-8")


def test_the_usual_file_is_read_alike(theirs: dict[str, Reading]) -> None:
    usual = VARIANTS[0]
    expected = Reading("", "20260101T000000", "enforce", 604_800, ("mx.example.org",), ("mx.example.org",))
    assert ours(usual) == theirs[usual.name] == expected


def test_every_difference_is_listed_and_every_one_that_is_listed_is_there(theirs: dict[str, Reading]) -> None:
    found = {variant.name: told_apart(ours(variant), theirs[variant.name]) for variant in VARIANTS}
    listed = {name: (we, they) for name, we, they in DIFFERENT.findall(PAGE.read_text("utf-8"))}
    assert {name: apart for name, apart in found.items() if apart is not None} == listed


def test_what_is_listed_as_lax_is_accepted_by_both(theirs: dict[str, Reading]) -> None:
    read = {variant.name: {shown(ours(variant)), shown(theirs[variant.name])} for variant in VARIANTS}
    listed = LAX.findall(PAGE.read_text("utf-8"))
    assert listed
    assert [read[name] for name in listed] == [{"accepted"}] * len(listed)
