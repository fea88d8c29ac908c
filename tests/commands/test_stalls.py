"""P7: a process that was stopped blames nobody."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

STOPPED_S = 5.0
"""Longer than every deadline of the lab's profile but that of a whole session."""
ROWS = 300


def test_a_stopped_process_makes_no_verdict_of_the_time_it_slept(tmp_path: Path) -> None:
    listed, out = tmp_path / "list.txt", tmp_path / "rows.jsonl"
    listed.write_text("\n".join(["greeting-in-two-parts.lab.test", *(f"d{n:06}.many.lab.test" for n in range(ROWS))]))
    words = ["scan", str(listed), "--lab", "-q", "--no-share", "-o", str(out)]
    with subprocess.Popen([sys.executable, "-m", "scanner", *words]) as scan:
        part, waited_s = out.with_name("rows.jsonl.part"), 0.0
        while not (part.exists() and part.stat().st_size) and waited_s < 30:
            time.sleep(0.02)
            waited_s += 0.02
        os.kill(scan.pid, signal.SIGSTOP)
        time.sleep(STOPPED_S)
        os.kill(scan.pid, signal.SIGCONT)
        assert scan.wait(50) == 0
    rows = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert len(rows) == ROWS + 1
    assert {(row["status"], row["starttls"]) for row in rows} == {("ok", "pass")}
