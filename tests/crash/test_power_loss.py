"""The power goes at random moments: nothing that was synced is lost, and nothing torn is taken for a row.

`IMAGES=2000 pytest tests/crash/test_power_loss.py -s` looks at two thousand disks, and a tenth of that with each
compression; `CRASH_SEED` repeats one sequence.
"""

import os
import random
import shutil
import sys
from collections import Counter
from pathlib import Path

import orjson
import pytest

from scanner.journal import Terms, open_journal
from scanner.parts import Names
from tests.crash.power import Machine, Recorder
from tests.crash.writer import CLAIM, certificate, plain, row

IMAGES = int(os.environ.get("IMAGES", "200"))
MOST = {"": IMAGES, ".zst": max(50, IMAGES // 10), ".gz": max(50, IMAGES // 10)}
IMAGES_A_RUN = 50
ROWS = 150


async def recorded(out: Path, chance: random.Random) -> Recorder:
    """A run that was stopped and resumed on the way, from its first call to its last."""
    recorder = Recorder(out.parent)
    for most in (chance.randint(1, ROWS - 1), ROWS):
        journal = open_journal(out, CLAIM, disk=recorder.disk("a boot"))
        done = [n for n in range(1, ROWS + 1) if n in journal.done]
        todo = [n for n in range(1, ROWS + 1) if n not in journal.done]
        chance.shuffle(todo)
        while len(done) < most:
            batch = [todo.pop() for _ in range(min(len(todo), chance.randint(1, 9)))]
            journal.append([(n, row(n)) for n in batch], b"".join(certificate(n) for n in batch))
            done += batch
            if chance.random() < 0.2:
                await journal.sync()
                recorder.mark(tuple(done))
        if most < ROWS:
            journal.close()
    await journal.publish(b"{}\n")
    journal.close()
    recorder.mark(tuple(done))
    return recorder


async def faults(recorder: Recorder, out: Path, chance: random.Random) -> Counter[str]:
    """Lose power at a random call, go on with what is left, and count what should not be."""
    machine = Machine()
    for call in recorder.log[: chance.randint(0, len(recorder.log))]:
        machine.do(call)
    machine.lose_power(out.parent, chance)
    synced = set(machine.marks[-1]) if machine.marks else set()
    found: Counter[str] = Counter(corrupt=0, lost=0, redone=0)
    if not Names(out).manifest.exists():
        journal = open_journal(out, CLAIM, Terms(), disk=Recorder(out.parent).disk("the next boot"))
        kept = [line for _, piece in journal.rows.pieces() for line in piece]
        found["corrupt"] += sum(line.removesuffix(b"\n") + b"\n" not in ROW for line in kept)
        found["lost"] += len(synced - {n for n in range(1, ROWS + 1) if n in journal.done})
        found["redone"] = sum(n not in journal.done for n in range(1, ROWS + 1))
        journal.append([(n, row(n)) for n in ROW.values()], b"".join(CERTIFICATE))
        await journal.publish(b"{}\n")
        journal.close()
    lines = plain(out).splitlines(keepends=True)
    certificates = plain(Names(out).certificates).splitlines(keepends=True)
    found["corrupt"] += sum(line not in ROW for line in lines) + sum(line not in CERTIFICATE for line in certificates)
    found["lost"] += ROWS - len({orjson.loads(line)["n"] for line in lines if line in ROW})
    found["corrupt"] += len(lines) - len(set(lines))
    return found


ROW = {row(n): n for n in range(1, ROWS + 1)}
CERTIFICATE = {certificate(n): n for n in range(1, ROWS + 1)}


@pytest.mark.timeout(60 + IMAGES)
@pytest.mark.parametrize("ending", MOST)
async def test_no_power_loss_corrupts_a_row_or_loses_a_synced_one(tmp_path: Path, ending: str) -> None:
    seed = int(os.environ.get("CRASH_SEED", str(random.SystemRandom().randrange(1 << 30))))
    chance = random.Random(seed)
    total: Counter[str] = Counter(corrupt=0, lost=0, redone=0)
    for image in range(MOST[ending]):
        if image % IMAGES_A_RUN == 0:
            begun = tmp_path / f"run {image}"
            begun.mkdir()
            recorder = await recorded(begun / f"out.jsonl{ending}", chance)
        folder = tmp_path / f"image {image}"
        total.update(await faults(recorder, folder / f"out.jsonl{ending}", chance))
        shutil.rmtree(folder)
    sys.stdout.write(
        f"{ending or 'plain'}: {MOST[ending]} power-loss images, seed {seed}: corrupt accepted {total['corrupt']}, "
        f"synced lost {total['lost']}, rows done again {total['redone'] / MOST[ending]:.0f} of {ROWS} on average\n"
    )
    assert (total["corrupt"], total["lost"]) == (0, 0)
