"""P7: what the process may use runs out in mid-run: descriptors, ports, memory."""

import resource
from pathlib import Path

from scanner.cli.exits import Exit
from tests.commands.starttls import PATIENCE_S, many
from tests.faults.world import SOURCES, Run, World

NAMES = many(24)
EARLY = 4
ENDS_ITSELF_WITHIN_S = 3 * PATIENCE_S
ONE_ADDRESS = ["greeting-late.lab.test"] * 8
"""One server, which keeps every port for a second, so that ports run out."""
SCATTERED = many(150)
FEW_PORTS = 4
HELD_ALL_THE_TIME = 12
"""The list, the output and the event loop have these descriptors, and no session gets one of them."""


def limited(scan: Run, what: int, soft: int) -> int:
    """Lower a limit of a process in motion; what it was."""
    before, hard = resource.prlimit(scan.process.pid, what)
    resource.prlimit(scan.process.pid, what, (soft, hard))
    return before


def test_descriptors_that_run_out_for_a_while_cost_no_row(world: World, tmp_path: Path) -> None:
    with world.run(tmp_path / "rows.jsonl", NAMES, *world.flags()) as scan:
        scan.reaches(EARLY)
        before = limited(scan, resource.RLIMIT_NOFILE, HELD_ALL_THE_TIME)
        scan.says("Too many open files")
        limited(scan, resource.RLIMIT_NOFILE, before)
        ending = scan.ended()
    assert ending.code == Exit.OK, ending
    assert scan.is_complete()


def test_descriptors_that_never_come_back_end_the_run_which_can_be_resumed(world: World, tmp_path: Path) -> None:
    flags = (*world.flags(), "--network-patience", "1s", "--resolver-patience", "1s")
    with world.run(tmp_path / "rows.jsonl", NAMES, *flags) as scan:
        scan.reaches(EARLY)
        limited(scan, resource.RLIMIT_NOFILE, HELD_ALL_THE_TIME)
        ending = scan.ended()
    assert ending.code == Exit.ENVIRONMENT, ending
    assert "Too many open files" in ending.last
    assert scan.is_unfinished()
    with world.run(tmp_path / "rows.jsonl", NAMES, *flags) as again:
        assert again.ended().code == Exit.OK
    assert again.is_complete()


def test_ports_that_run_out_make_sessions_wait_for_each_other(apart: World, tmp_path: Path) -> None:
    """A port can be used once for each peer, and all domains have the same."""
    apart.do("sysctl", "-qw", f"net.ipv4.ip_local_port_range=40000 {40000 + FEW_PORTS - 1}")
    flags = (*apart.flags(SOURCES[6]), "--per-address", "40", "--run-rate", "400/s", "--rate", "400/s")
    try:
        with apart.run(tmp_path / "rows.jsonl", ONE_ADDRESS, *flags) as scan:
            ending = scan.ended()
    finally:
        apart.do("sysctl", "-qw", "net.ipv4.ip_local_port_range=32768 60999")
    assert ending.code == Exit.OK, ending
    assert scan.is_complete()


def test_memory_that_runs_out_makes_no_verdict(world: World, tmp_path: Path) -> None:
    """Nobody can promise that C libraries survive it. What waits for memory waits as for a lost way out. A thread that
    had none to begin holds up whoever started it (seen), and such a run ends itself. What was written is true.
    """
    patience = ("--network-patience", "5s", "--resolver-patience", "5s")
    flags = (*world.lab.sourceless, "--no-share", *patience)
    with world.run(tmp_path / "rows.jsonl", SCATTERED, *flags) as scan:
        scan.reaches(1)
        pages = int(Path(f"/proc/{scan.process.pid}/statm").read_text().split()[0])
        limited(scan, resource.RLIMIT_AS, pages * resource.getpagesize())
        scan.process.communicate(timeout=ENDS_ITSELF_WITHIN_S)
    if scan.process.returncode == Exit.OK:
        assert scan.is_complete()
        return
    assert scan.is_unfinished()
    with world.run(tmp_path / "rows.jsonl", SCATTERED, *flags) as again:
        assert again.ended().code == Exit.OK
    assert again.is_complete()
