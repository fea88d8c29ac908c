"""Write rows through the real journal, with small pauses, until all are there or somebody kills the process.

Usage: python -m tests.crash.writer FILE ROWS SEED
"""

import gzip
import random
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import anyio
import orjson

from scanner.checkpoint import Claim, ListIdentity
from scanner.journal import Journal, open_journal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CLAIM = Claim("run", ListIdentity("list", 1, "0" * 64), "settings", 1, datetime(2026, 11, 24, tzinfo=UTC))
SYNC_EVERY = 10


def row(n: int) -> bytes:
    """A line whose length depends on its number, and that says so."""
    return orjson.dumps({"run_id": "run", "n": n, "body": "x" * (n * 37 % 900)}) + b"\n"


def certificate(n: int) -> bytes:
    """The certificate that row `n` refers to."""
    return orjson.dumps({"sha256": f"{n:064x}", "body": "y" * (n * 53 % 1500)}) + b"\n"


def plain(path: Path) -> bytes:
    """A finished file as other programs read it: by `zstd` and `gzip` themselves, where they are installed."""
    command = {".zst": "zstd", ".gz": "gzip"}.get(path.suffix)
    if command is None:
        return path.read_bytes()
    if shutil.which(command):
        return subprocess.run([command, "-dc", path], check=True, capture_output=True, timeout=50).stdout
    return zstd.decompress(path.read_bytes()) if command == "zstd" else gzip.decompress(path.read_bytes())


async def write(journal: Journal, most: int, chance: random.Random) -> None:
    """Write what is not done, in an order of its own, a few rows at once."""
    todo = [n for n in range(1, most + 1) if n not in journal.done]
    chance.shuffle(todo)
    batches = 0
    while todo:
        batch = [todo.pop() for _ in range(min(len(todo), chance.randint(1, 9)))]
        journal.append([(n, row(n)) for n in batch], b"".join(certificate(n) for n in batch))
        batches += 1
        if batches % SYNC_EVERY == 0:
            await journal.sync()
        await anyio.sleep(chance.random() * 0.001)
    await journal.publish(b"{}\n")


async def main(path: Path, most: int, seed: int) -> None:
    """One run, or what is left of one."""
    journal = open_journal(path, CLAIM)
    sys.stdout.write("open\n")
    sys.stdout.flush()
    await write(journal, most, random.Random(seed))
    journal.close()


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
