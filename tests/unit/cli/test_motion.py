"""How a run ends whose list was read to its end: what is missing goes before what is alarming."""

import pytest

from scanner.alarms import Alarm, read
from scanner.cli.exits import Exit
from scanner.cli.motion import finished
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.tally import Tally

UNDONE = Fault(Stage.CONNECT, Kind.BUG, Side.OURS, "x")
ELSEWHERE = Fault(Stage.RESOLVE, Kind.RESOLVER_DOWN, Side.OURS, "y")


def counted(*undone: Fault, good: int = 3, bad: int = 0, rule: str = "starttls=fail") -> Tally:
    """A tally of these rows; of the good ones STARTTLS is fine."""
    tally = Tally(alarms=(Alarm(read(rule)),))
    for n in range(good):
        tally.add_row({"n": n, "domain": f"d{n}.example", "status": "ok", "starttls": "pass"})
    for n in range(bad):
        tally.add_row({"n": n, "domain": None, "status": "input_error", "starttls": "not_applicable"})
    for fault in undone:
        tally.add_undone(fault)
    return tally


@pytest.mark.parametrize(
    ("tally", "code", "words"),
    [
        (counted(), Exit.OK, "every row concluded: 3 rows"),
        (counted(bad=1), Exit.OK, "every row concluded: 4 rows"),
        (
            counted(rule="starttls=pass"),
            Exit.ALARM,
            "finished, and a --fail-on rule matched: starttls=pass: 3 rows, first d0.example",
        ),
        (counted(bad=4), Exit.INCOMPLETE, "4 of 7 input rows are invalid"),
        (
            counted(bad=4, rule="status=input_error"),
            Exit.INCOMPLETE,
            "4 of 7 input rows are invalid; status=input_error: 4 rows, first row 0",
        ),
        (counted(UNDONE), Exit.INCOMPLETE, "1 rows stayed undone: bug 1 (x)"),
        (
            counted(UNDONE, rule="starttls=pass"),
            Exit.INCOMPLETE,
            "1 rows stayed undone: bug 1 (x); starttls=pass: 3 rows, first d0.example",
        ),
        (
            counted(ELSEWHERE, rule="starttls=pass"),
            Exit.ENVIRONMENT,
            "1 rows stayed undone: resolver_down 1 (y); starttls=pass: 3 rows, first d0.example",
        ),
    ],
)
def test_an_alarm_is_raised_where_nothing_is_missing_and_told_in_any_case(tally: Tally, code: Exit, words: str) -> None:
    ending = finished(tally, 0.5)
    assert (ending.exit, ending.line) == (code, words)
