"""P7: the resolver dies in mid-run. Nobody is blamed; it comes back, or the run ends and can be resumed."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from scanner.cli.exits import Exit
from tests.commands.starttls import many
from tests.faults.world import World

NAMES = many(200)
EARLY = 6
OUTAGE_S = 1.0


@contextlib.contextmanager
def forwarding(world: World, port: int = 0) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Stand before the resolver of the lab; whoever is killed may be followed by another on the same port."""
    words = [*world.prefix, sys.executable, str(Path(__file__).with_name("forwarder.py")), world.lab.told["resolver"]]
    with subprocess.Popen([*words, str(port)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def flags(world: World, port: int) -> tuple[str, ...]:
    """Point a scan at the lab, by way of a forwarder. A slow one would have asked all its questions before that."""
    words = list(world.lab.sourceless)
    words[words.index("--resolver") + 1] = f"127.0.0.1:{port}"
    return (*words, "--dns-deadline", "2s", "--open", "20")


def test_a_resolver_that_comes_back_costs_no_row(world: World, tmp_path: Path) -> None:
    with forwarding(world) as (first, port):
        patient = ("--resolver-patience", "60s")
        with world.run(tmp_path / "rows.jsonl", NAMES, *flags(world, port), *patient) as scan:
            scan.reaches(EARLY)
            first.kill()
            first.wait()
            time.sleep(OUTAGE_S)
            assert EARLY <= scan.written() < len(NAMES)
            with forwarding(world, port):
                ending = scan.ended()
    assert ending.code == Exit.OK, ending
    assert scan.is_complete()


def test_a_resolver_that_stays_dead_ends_the_run_which_can_be_resumed(world: World, tmp_path: Path) -> None:
    with forwarding(world) as (first, port):
        words = (*flags(world, port), "--resolver-patience", "1s")
        with world.run(tmp_path / "rows.jsonl", NAMES, *words) as scan:
            scan.reaches(EARLY)
            first.kill()
            ending = scan.ended()
        first.wait()
        assert ending.code == Exit.ENVIRONMENT, ending
        assert "resolver_down" in ending.last
        assert scan.is_unfinished()
        with forwarding(world, port), world.run(tmp_path / "rows.jsonl", NAMES, *words) as again:
            assert again.ended().code == Exit.OK
    assert again.is_complete()
