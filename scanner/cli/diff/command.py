"""`starttls diff OLD NEW`: what changed for each domain since the last night.

Compared is what two rows say, as they stand; nothing is judged again. What one of them could not tell, because of a
time-out, a 421 or a dead resolver, is no change. `starttls compare` answers another question: what places that looked
at the same time saw, judged as one.

Touches: files (rows), standard streams. Source: docs/record.md (what changed).
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scanner import text
from scanner.cli.arguments import parsed
from scanner.cli.diff.changes import Change, Counts, Difference, Presence
from scanner.cli.diff.facts import KINDS, Facts
from scanner.cli.diff.rows import differences, reading
from scanner.cli.diff.words import as_json, as_text, summary_json, summary_lines
from scanner.cli.exits import Exit, Refused
from scanner.cli.main import tell
from scanner.cli.rowfile import Rows
from scanner.cli.streams import say, show, show_line

ALARMS = ("lost", "gained", Presence.NEW.value, Presence.GONE.value, *KINDS)
"""Words of `--fail-on`: STARTTLS lost or gained, domains that came or went, or any change of one kind."""


def run(words: Sequence[str], _environment: Mapping[str, str]) -> Exit:
    """Compare two files."""
    parser = argparse.ArgumentParser(
        "starttls diff", usage="starttls diff OLD NEW [OPTIONS]", exit_on_error=False, allow_abbrev=False
    )
    parser.add_argument("file", nargs="*", metavar="FILE", help="rows of the earlier scan, then those of the later one")
    parser.add_argument("--json", action="store_true", help="an object for each domain, then a summary")
    parser.add_argument("--only", metavar="KINDS", help=f"print these alone, with commas between: {', '.join(KINDS)}")
    parser.add_argument("--all", action="store_true", help="also what one of the two rows cannot tell")
    parser.add_argument(
        "--fail-on", action="append", default=[], metavar="WORD", help=f"exit 8 if there is one: {', '.join(ALARMS)}"
    )
    asked = parsed(parser, words)
    rules, wanted = tuple(among(ALARMS, "--fail-on", asked["fail_on"])), only(asked["only"])
    if len(asked["file"]) != 2:
        raise Refused(Exit.USAGE, "two files are needed: starttls diff OLD NEW")
    old, new = asked["file"]
    with reading(old) as was, reading(new) as now:
        counts = compare(was, now, Shown(wanted, is_json=asked["json"], is_all=asked["all"]))
    return ended(rules, counts)


@dataclass(frozen=True, slots=True)
class Shown:
    """What is printed of all changes, and how. Domains that came or went are told where `kinds` leave nothing out."""

    kinds: frozenset[str]
    is_json: bool
    is_all: bool

    def of(self, it: Difference) -> tuple[Change, ...]:
        """Leave out what is not asked for."""
        return tuple(each for each in it.changes if each.what in self.kinds and (self.is_all or each.is_known))

    def line(self, it: Difference) -> bytes:
        """Write one domain; empty where nothing is to be told of it."""
        changes = self.of(it)
        if not changes and (it.presence is Presence.BOTH or len(self.kinds) < len(KINDS)):
            return b""
        return as_json(it, changes) if self.is_json else as_text(it, changes).encode()


def only(words: str | None) -> frozenset[str]:
    """Read the kinds of change that are printed; `delivery` names those of all sender models. Raises Refused."""
    if words is None:
        return frozenset(KINDS)
    groups = {kind.partition(".")[0] for kind in KINDS}
    asked = set(among((*KINDS, *groups), "--only", words.split(",")))
    return frozenset(kind for kind in KINDS if not asked.isdisjoint({kind, kind.partition(".")[0]}))


def among(known: Sequence[str], option: str, words: Sequence[str]) -> Sequence[str]:
    """Refuse words that are not known. Raises Refused."""
    strange = [word for word in words if word not in known]
    if strange:
        raise Refused(Exit.USAGE, f"{option}: {strange[0]!a} is none of {', '.join(dict.fromkeys(known))}")
    return list(dict.fromkeys(words))


def compare(was: Rows[Facts], now: Rows[Facts], wanted: Shown) -> Counts:
    """Print what changed, and the counts, which are of everything."""
    counts = Counts()
    for it in differences(was, now):
        counts.add(it)
        show_line(wanted.line(it))
    if wanted.is_json:
        show_line(summary_json(counts))
    show("")  # the changes go before what is said of them
    say("".join(f"{line}\n" for line in summary_lines(counts, was, now)))
    return counts


def ended(rules: Sequence[str], counts: Counts) -> Exit:
    """Say which alarm was raised, if one was."""
    matched = [
        f"{word}: {counts.of(word)}, first {text.from_str(counts.examples[word])}" for word in rules if counts.of(word)
    ]
    if not matched:
        return Exit.OK
    tell(Exit.ALARM, f"{Exit.ALARM.words}: {'; '.join(matched)}")
    return Exit.ALARM
