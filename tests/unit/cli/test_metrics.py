"""Figures for a collector: whole at any moment, and never a reason to end a scan."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import alarms
from scanner.alarms import Alarm
from scanner.cli.exits import Exit, Refused
from scanner.cli.metrics import LAST_SUCCESS, Metric, MetricsFile, gauge, labelled, of_rows, of_sessions
from scanner.tally import Tally

LABEL = r'[a-z_]+="(?:[^"\\\n]|\\["\\n])*"'
LINE = re.compile(rf"# (?:HELP|TYPE) [a-z_]+ .+|[a-z_]+(?:\{{{LABEL}(?:,{LABEL})*\}})? -?[0-9.e+-]+")
"""docs: the text format of Prometheus, version 0.0.4, as far as we use it."""


class Place:
    """A file, a clock, and what people were told."""

    def __init__(self, path: Path, metrics: Iterable[Metric] = ()) -> None:
        self.path, self.told, self.now_s = path, list[str](), 100.0
        self.file = MetricsFile(str(path), lambda: metrics, lambda: self.now_s, self.told.append)

    def values(self) -> dict[str, float]:
        """Read the file; every line has to be one of the format."""
        lines = self.path.read_text().splitlines()
        assert all(LINE.fullmatch(line) for line in lines), lines
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_run_that_is_complete_is_a_success_and_the_next_run_remembers_it(tmp_path: Path) -> None:
    first = Place(tmp_path / "m.prom")
    await first.file.begin()
    assert first.values() == {"starttls_updated_time_seconds": 100, "starttls_run_finished": 0}
    first.now_s = 200
    await first.file.end(Exit.ALARM, is_complete=True)
    assert first.values()["starttls_run_exit_code"] == 8
    later = Place(tmp_path / "m.prom")
    later.now_s = 300
    await later.file.begin()
    assert later.values() == {
        "starttls_updated_time_seconds": 300,
        "starttls_run_finished": 0,
        LAST_SUCCESS: 200,
    }
    await later.file.end(Exit.TERMINATED, is_complete=False)
    assert (later.values()[LAST_SUCCESS], later.values()["starttls_run_finished"]) == (200, 1)


async def test_a_place_where_nothing_can_be_written_is_refused_before_the_scan(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"--metrics-file .*: No such file or directory") as refused:
        await Place(tmp_path / "none" / "m.prom").file.begin()
    assert refused.value.code is Exit.OUTPUT


async def test_a_disk_that_fails_in_mid_run_is_told_of_once_and_ends_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path / "there" / "m.prom")
    (tmp_path / "there").mkdir()
    await place.file.begin()
    place.path.unlink()
    (tmp_path / "there").rmdir()
    for code in (Exit.OK, Exit.OK):
        await place.file.end(code, is_complete=True)
    assert place.told == [f"--metrics-file {place.path}: No such file or directory; the scan goes on"]


async def test_without_the_option_nothing_is_written() -> None:
    file = MetricsFile("", lambda: (), lambda: 0.0, print)
    await file.begin()
    await file.keep()
    await file.end(Exit.OK, is_complete=True)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"starttls_last_success_time_seconds .\n", b"other 1\n", b""])
async def test_a_file_of_others_is_replaced(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.prom").write_bytes(content)
    place = Place(tmp_path / "m.prom")
    await place.file.begin()
    assert LAST_SUCCESS not in place.values()


async def test_a_link_that_somebody_laid_where_we_write_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "m.prom.new").symlink_to(tmp_path / "precious")
    with pytest.raises(Refused):
        await Place(tmp_path / "m.prom").file.begin()
    assert not (tmp_path / "precious").exists()


async def test_a_collector_that_runs_as_another_user_may_read_it(tmp_path: Path) -> None:
    await Place(tmp_path / "m.prom").file.begin()
    assert (tmp_path / "m.prom").stat().st_mode & 0o777 == 0o644
    assert files_in(tmp_path) == ["m.prom"]


@given(st.text(max_size=20))
def test_whatever_a_name_holds_a_label_is_one_label(name: str) -> None:
    line = f"x{labelled({'source': name})} 1"
    assert LINE.fullmatch(line)


async def test_what_was_counted_is_written(tmp_path: Path) -> None:
    tally = Tally(alarms=(Alarm(alarms.read("would_wait"), 2, "a.example"),))
    tally.words["status"] = Counter(ok=5)
    tally.words["starttls"] = Counter({"pass": 3, "absent": 2})
    tally.words["would_wait"] = Counter(yes=1)
    tally.families, tally.durations = Counter(ipv4=7), {"greeting": Counter({4: 10})}
    place = Place(tmp_path / "m.prom", [*of_rows(tally), *of_sessions(tally), gauge("x", "A word.", 1)])
    await place.file.begin()
    assert (
        place.values()
        | {
            'starttls_rows_total{status="ok"}': 5,
            'starttls_verdicts_total{axis="starttls",verdict="pass"}': 3,
            'starttls_would_wait_total{answer="yes"}': 1,
            'starttls_alarm_rows_total{rule="would_wait"}': 2,
            'starttls_sessions_total{family="ipv4"}': 7,
            'starttls_step_seconds{step="greeting",percentile="99"}': 0.002,
        }
        == place.values()
    )
    assert "a.example" not in place.path.read_text()
