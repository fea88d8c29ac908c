"""P7: our own address, our own routes and our own ports go away in mid-run. Nobody is blamed, and no row is lost."""

import time
from contextlib import ExitStack
from pathlib import Path

from scanner.cli.exits import Exit
from tests.commands.starttls import many, rows_of
from tests.faults.world import PEERS, SOURCES, TABLES, Run, World, verdicts

SLOW = "greeting-late.lab.test"
"""It greets after a second: whatever breaks, somebody is waiting for it."""
NAMES = [*many(4), *([SLOW] * 8), *many(14, first=4)]
SCATTERED = many(80)
"""Enough of them that nobody at forty addresses answers."""
FAST = ("--run-rate", "100/s")
EARLY = 4
OUTAGE_S = 2.5
"""As long as a greeting is waited for in the lab."""
"""So many rows are written when something breaks."""


def taken(world: World, source: str) -> None:
    """Take one of our addresses away."""
    world.do("ip", "addr", "del", f"{source}/32", "dev", "lo")


def given(world: World, source: str) -> None:
    """Give it back."""
    world.do("ip", "addr", "add", f"{source}/32", "dev", "lo")


def blocked(world: World, source: str, kind: str) -> None:
    """Put a route that leads nowhere before the one that this source takes."""
    way = ("via", "10.88.0.2", "dev", "hole", "onlink") if kind == "wire" else ()
    world.do("ip", "route", "add", *(() if way else (kind,)), PEERS, *way, "table", TABLES[source])


def opened(world: World, source: str) -> None:
    """Take it away again."""
    world.do("ip", "route", "flush", "table", TABLES[source])


def runs(world: World, directory: Path, held: ExitStack, patience: str, *sources: str) -> list[Run]:
    """Start a run from each source, all at once."""
    patient = ("--network-patience", patience)
    return [
        held.enter_context(world.run(directory / f"{source}.jsonl", NAMES, *world.flags(source), *patient))
        for source in sources
    ]


def test_an_address_and_a_route_that_come_back_cost_no_row(apart: World, tmp_path: Path) -> None:
    """What was open when they went away times out or is cut off, and is held again."""
    gone, *routeless = SOURCES[:3]
    with ExitStack() as held:
        scans = runs(apart, tmp_path, held, "60s", gone, *routeless)
        for scan in scans:
            scan.reaches(EARLY)
        taken(apart, gone)
        blocked(apart, routeless[0], "blackhole")
        blocked(apart, routeless[1], "unreachable")
        said = [scan.says("no way out over IPv4") for scan in scans]
        before = [scan.written() for scan in scans]
        time.sleep(OUTAGE_S)
        given(apart, gone)
        for source in routeless:
            opened(apart, source)
        endings = [scan.ended() for scan in scans]
    assert [ending.code for ending in endings] == [Exit.OK] * 3, endings
    assert all("there is a way out over IPv4 again" in ending.err for ending in endings)
    assert all(scan.is_complete() for scan in scans)
    assert max(before) < len(NAMES)
    assert "Cannot assign requested address" in said[0][-1]


def test_an_address_or_a_route_that_stays_away_ends_the_run_which_can_be_resumed(apart: World, tmp_path: Path) -> None:
    gone, routeless = SOURCES[3:5]
    with ExitStack() as held:
        scans = runs(apart, tmp_path, held, "1s", gone, routeless)
        for scan in scans:
            scan.reaches(EARLY)
        taken(apart, gone)
        blocked(apart, routeless, "prohibit")
        endings = [scan.ended() for scan in scans]
    given(apart, gone)
    opened(apart, routeless)
    assert [ending.code for ending in endings] == [Exit.ENVIRONMENT] * 2, endings
    assert "no_source" in endings[0].last
    assert "no_route" in endings[1].last
    assert all(scan.is_unfinished() for scan in scans)
    with ExitStack() as held:
        again = runs(apart, tmp_path, held, "1s", gone, routeless)
        assert [scan.ended().code for scan in again] == [Exit.OK] * 2
    assert all(scan.is_complete() for scan in again)


def test_a_source_that_shares_the_load_takes_the_rows_of_one_that_stays_away(apart: World, tmp_path: Path) -> None:
    """Patience would outlast the test: nobody waits where another source of ours can ask instead."""
    gone, left = SOURCES[7:9]
    with apart.run(tmp_path / "rows.jsonl", NAMES, *apart.flags(gone, left), "--network-patience", "10min") as scan:
        scan.reaches(EARLY)
        taken(apart, gone)
        ending = scan.ended()
    given(apart, gone)
    assert ending.code == Exit.OK, ending
    assert f"source {gone}: no way out over IPv4 (Cannot assign requested address); other sources take its rows" in (
        ending.err
    )
    assert scan.is_complete()
    used = {session["source"] for row in rows_of(scan.out.read_bytes()) for session in row["sessions"]}
    assert used == {gone, left}


def test_a_black_hole_is_never_taken_for_a_server_without_tls(apart: World, tmp_path: Path) -> None:
    """All packets to the port of mail vanish: nobody can know more than that nobody answered, and people are told.

    With a canary the run knows that it is we who are not heard: it waits, and goes on when the way is open again.
    """
    told, known = SOURCES[5:7]
    blocked(apart, told, "wire")
    with ExitStack() as held:
        scans = [
            held.enter_context(apart.run(tmp_path / f"{source}.jsonl", SCATTERED, *apart.flags(source), *flags))
            for source, flags in ((told, FAST), (known, ("--canary", "plain-good.lab.test")))
        ]
        scans[1].reaches(EARLY)
        blocked(apart, known, "wire")
        said = scans[1].says("no way out over IPv4")
        opened(apart, known)
        endings = [scan.ended() for scan in scans]
    opened(apart, told)
    rows = [rows_of((tmp_path / f"{source}.jsonl").read_bytes()) for source in (told, known)]
    assert [ending.code for ending in endings] == [Exit.OK] * 2, endings
    assert f"source {told}: nobody at 40 addresses answered over IPv4" in endings[0].err
    assert verdicts(rows[0]) == {("inconclusive", "unknown")}
    assert {each["fault"]["kind"] for row in rows[0] for each in row["sessions"]} == {"timeout"}
    assert "nobody answers" in said[-1]
    assert verdicts(rows[1]) == {("ok", "pass"), ("inconclusive", "unknown")}
    assert all(sorted(row["n"] for row in each) == list(range(1, len(SCATTERED) + 1)) for each in rows)
    assert max(rows[1], key=lambda row: str(row["observed_at"]))["starttls"] == "pass"
