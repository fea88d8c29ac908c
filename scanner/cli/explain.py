"""`starttls explain`: one domain on one page, from a visit now or from a stored row; or a line of a mail queue.

1. What was given is a domain, or text of a queue, a log or a bounce, which names one, or only tells what happened.
2. Look at the domain as a scan does, or find its row in a file.
3. Show the page, or the letter to the partner's postmaster.

Nothing but the page is on standard output.

Touches: files (rows, certificates), standard streams; everything of `scanner.net`. Source: docs/explain.md.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scanner.cli.arguments import parsed
from scanner.cli.exits import Exit, Refused
from scanner.cli.lastrow import stored
from scanner.cli.main import tell
from scanner.cli.options import SCAN, Chosen, add_to, chosen_from
from scanner.cli.streams import show_line
from scanner.explain import letter, page, phrases
from scanner.explain.phrases import Understood
from scanner.explain.queue import POLICIES
from scanner.explain.styles import Line, rendered, wants_colour
from scanner.model.fault import Fault
from scanner.model.record import Record
from scanner.targets import domain_names

NOT_USED = frozenset(
    {
        *("output", "certificates", "column", "delimiter", "policy-column", "shard", "resume", "overwrite"),
        *("max-bad-input", "fail-on", "status-interval", "quiet", "log-format", "no-share", "seed"),
    }
)
"""Options of a scan that change nothing here; they may stand in the file and in the environment."""
OFFERED = tuple(option for option in SCAN if option.name not in NOT_USED)
USAGE = "starttls explain DOMAIN | TEXT | - [--policy P] [--letter] [--from ROWS] [OPTIONS]"
WHAT = "a domain; or a queue line, a log line or a bounce, as pasted; - reads that from standard input"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `domain` is empty where the text names none; `pasted` is empty where a domain was given."""

    domain: str
    pasted: str
    told: Understood


def run(words: Sequence[str], environment: Mapping[str, str]) -> Exit:
    """Explain one domain, or one phrase."""
    parser = argparse.ArgumentParser("starttls explain", usage=USAGE, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("what", nargs="*", metavar="DOMAIN", help=WHAT)
    policies = ", ".join(POLICIES)
    parser.add_argument("--policy", metavar="P", help=f"what is demanded of mail to this partner: {policies}")
    parser.add_argument("--letter", action="store_true", help="a message to the partner's postmaster, ready to send")
    parser.add_argument("--from", dest="rows", metavar="ROWS", help="explain the last row of this file, offline")
    parser.add_argument("--certificates", metavar="FILE", help="certificates of ROWS, where they are not beside it")
    add_to(parser, OFFERED)
    flags = parsed(parser, words)
    chosen = chosen_from({**flags, "certificates": None}, environment, SCAN)
    if flags["policy"] not in {None, *POLICIES}:
        raise Refused(Exit.USAGE, f"--policy: not one of {policies}: {flags['policy']!a}")
    return explained(asked(flags["what"]), flags, chosen, environment)


def asked(words: Sequence[str]) -> Question:
    """Read what was given. Raises Refused for what is neither a domain nor a text that tells anything."""
    if not words:
        raise Refused(Exit.USAGE, "a domain is wanted, or a line of a mail queue (see starttls explain --help)")
    pasted = pasted_on_stdin() if list(words) == ["-"] else " ".join(words)
    told = phrases.understood(pasted)
    is_one_word = len(pasted.split()) == 1
    if is_one_word and (told.phrase is None or isinstance(domain_names.read(pasted), str)):
        return Question(named(pasted), "", phrases.Understood())
    if told.phrase is None and not told.name:
        raise Refused(Exit.USAGE, "neither a domain nor a phrase that is known in what was pasted")
    return Question(named(told.name) if told.name else "", pasted, told)


def pasted_on_stdin() -> str:
    """Read a pasted text, as far as anybody wants to."""
    if sys.stdin.isatty():
        raise Refused(Exit.USAGE, "-: standard input is a terminal; paste the text as an argument, in quotes")
    return sys.stdin.buffer.read(phrases.PASTED_BYTES).decode("utf-8", "replace")


def named(text: str) -> str:
    """Read a domain, however it is written. Raises Refused."""
    domain = domain_names.read(text)
    if isinstance(domain, Fault):
        raise Refused(Exit.USAGE, f"{text[:80]!a}: no domain: {domain.detail}")
    return domain


def explained(question: Question, flags: Mapping[str, Any], chosen: Chosen, environment: Mapping[str, str]) -> Exit:
    """Show what was asked for. Raises Refused."""
    is_coloured = wants_colour(is_terminal=sys.stdout.isatty(), environment=environment)
    about_it = [*phrases.page(question.pasted, question.told)] if question.pasted else []
    if not question.domain:
        printed([*about_it, *phrases.next_steps(question.told)], is_coloured=is_coloured)
        return Exit.OK
    policy = flags["policy"] or question.told.policy
    record = record_of(question.domain, flags, chosen)
    if flags["letter"]:
        written(record, policy)
    else:
        between = [Line()] if about_it else []
        printed([*about_it, *between, *page.page(record, policy)], is_coloured=is_coloured)
    return ended(record)


def record_of(domain: str, flags: Mapping[str, Any], chosen: Chosen) -> Record:
    """Find the row, or look now. Raises Refused."""
    if flags["rows"]:
        return stored(flags["rows"], domain, flags["certificates"])
    from scanner.cli.visit import looked_at  # noqa: PLC0415 - what is offline must not wait for DNS and HTTP libraries

    return looked_at(domain, chosen)


def written(record: Record, policy: str | None) -> None:
    """Show the letter, or say on stderr why there is none to write."""
    why_not = letter.objection(record, policy)
    if why_not:
        tell(Exit.OK, f"no letter: {why_not}")
    printed(map(Line, letter.letter(record, policy)))


def printed(lines: Iterable[Line], *, is_coloured: bool = False) -> None:
    """Show lines. Letters that the encoding of the terminal lacks are escaped."""
    shown = rendered(lines, is_coloured=is_coloured)
    show_line(shown.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))


def ended(record: Record) -> Exit:
    """Say whether our own trouble left the question open."""
    fault = None if record.evidence is None else record.evidence.own_fault
    if fault is None:
        return Exit.OK
    tell(Exit.INCOMPLETE, f"inconclusive through us: {fault.stage.word}: {fault.kind.value}: {fault.detail}")
    return Exit.INCOMPLETE
