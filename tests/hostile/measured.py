"""`starttls scan` with eyes on it: `python -m tests.hostile.measured LIST OPTIONS...`; figures as JSON on stdout.

Rows go where `-o` says. The process ends with the exit code of the scan.
"""

import dataclasses
import gc
import sys

import orjson

from scanner.cli.job import Job
from scanner.cli.loop import in_loop
from scanner.cli.motion import Ending, scan_list
from tests.hostile.places import job_of
from tests.hostile.watching import Watched, watched


async def scan(job: Job) -> tuple[Ending, Watched]:
    """Scan and look on."""
    async with watched() as seen:
        ending = await scan_list(job)
    return ending, seen


def main(words: list[str]) -> int:
    """Return the exit code."""
    with job_of(words) as job:
        gc.collect()
        ending, seen = in_loop(scan, job)
    sys.stdout.buffer.write(orjson.dumps({"line": ending.line, **dataclasses.asdict(seen)}))
    return int(ending.exit)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
