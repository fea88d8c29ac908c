"""kill -9 at random moments: every row is there once, whole, and with its certificate.

`KILLS=1000 pytest tests/crash` kills a thousand times, and a tenth of that often where rows wait for compressed frames;
`CRASH_SEED` repeats one sequence, `PACKED_KILLS` says how often otherwise.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest

from scanner.parts import Names
from tests.crash.writer import certificate, plain, row

KILLS = int(os.environ.get("KILLS", "20"))
PACKED_KILLS = int(os.environ.get("PACKED_KILLS", str(max(6, KILLS // 10))))
MOST = {"": KILLS, ".zst": PACKED_KILLS, ".gz": PACKED_KILLS}
ROWS = 3000
ROOT = Path(__file__).parents[2]


def started(out: Path, seed: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.crash.writer", str(out), str(ROWS), str(seed)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def killed_or_complete(out: Path, chance: random.Random) -> bool:
    """Let a run live for a moment, from its first breath to its last; say whether it had to be killed."""
    with started(out, chance.randrange(1 << 30)) as run:
        assert run.stdout is not None
        if chance.random() < 0.8:
            run.stdout.readline()
        time.sleep(chance.random() * 0.2)
        run.send_signal(signal.SIGKILL)
        ended = run.wait()
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


def faults(path: Path) -> Counter[str]:
    """Count rows that are lost, doubled or not as they were written."""
    lines = plain(path).splitlines(keepends=True)
    found: Counter[str] = Counter(lost=0, duplicated=0, torn=0)
    seen: Counter[int] = Counter()
    for line in lines:
        try:
            n = orjson.loads(line)["n"]
        except ValueError:
            found["torn"] += 1
            continue
        seen[n] += 1
        found["torn"] += line != row(n)
    found["lost"] = sum(n not in seen for n in range(1, ROWS + 1))
    found["duplicated"] = len(lines) - found["torn"] - len(seen)
    return found


@pytest.mark.timeout(60 + 3 * max(KILLS, PACKED_KILLS))
@pytest.mark.parametrize("ending", MOST)
def test_no_kill_loses_doubles_or_tears_a_row(tmp_path: Path, ending: str) -> None:
    seed = int(os.environ.get("CRASH_SEED", str(random.SystemRandom().randrange(1 << 30))))
    chance = random.Random(seed)
    total: Counter[str] = Counter(lost=0, duplicated=0, torn=0)
    kills = runs = 0
    while kills < MOST[ending]:
        runs += 1
        out = tmp_path / f"{runs}.jsonl{ending}"
        while not out.with_name(out.name + ".run.json").exists():
            if kills < MOST[ending]:
                kills += killed_or_complete(out, chance)
            else:
                assert started(out, chance.randrange(1 << 30)).communicate(timeout=50)
        total.update(faults(out))
        check_certificates(Names(out).certificates)
    counts = " ".join(f"{name} {count}" for name, count in total.items())
    sys.stdout.write(f"{ending or 'plain'}: {kills} kills, {runs} runs, seed {seed}: {counts}\n")
    assert not total.total()


def check_certificates(path: Path) -> None:
    """No row refers to a certificate that is not there; a torn one is nowhere."""
    lines = plain(path).splitlines(keepends=True)
    assert {certificate(n) for n in range(1, ROWS + 1)} == set(lines)
