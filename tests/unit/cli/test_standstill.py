"""P7, P8: a run that stands still ends itself; one that waits by right does not."""

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scanner.cli import standstill
from scanner.cli.standstill import (
    ALIVE,
    BLIND_MOST,
    LEAVES_WITHIN_LOOKS,
    Guard,
    Watch,
    has_room,
    longest_pause_s,
    longest_step_s,
    service_manager,
)
from scanner.net.breaker import LONGEST_PAUSE_S
from scanner.net.resolver import CANARY_S
from scanner.settings import LAB, LAB_DEADLINES, STANDARD, Deadlines, Pace

MOST_LOOKS = 5


@dataclass
class Run:
    """A run that is pretended, and what was done to it."""

    signs: int = 0
    silent_most_s: float = float(MOST_LOOKS)
    done: list[str] = field(default_factory=list)

    def watch(self, *readers: int) -> Watch:
        return Watch(lambda: self.signs, lambda: self.silent_most_s, readers, awaits_list=False)

    def guard(self, watch: Watch) -> Guard:
        return Guard(watch, lambda: self.done.append("asked"), lambda: self.done.append("left"), lambda: None)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def filled(descriptor: int) -> None:
    os.set_blocking(descriptor, False)
    while has_room(descriptor):
        os.write(descriptor, bytes(4096))


def looks(watch: Watch, times: int) -> bool:
    for _ in range(times):
        watch.look()
    return watch.gave_up


def test_a_run_without_a_sign_of_life_is_given_up_after_so_many_looks() -> None:
    watch = Run().watch()
    assert not looks(watch, 1 + MOST_LOOKS)
    assert looks(watch, 1)


def test_every_sign_of_life_begins_the_count_anew() -> None:
    run = Run()
    watch = run.watch()
    for _ in range(4):
        assert not looks(watch, MOST_LOOKS)
        run.signs += 1


async def test_a_row_that_is_over_is_a_sign_of_life() -> None:
    """A list of rows that nothing is asked for, say excluded ones, is busy and hears nobody."""
    watch = Run().watch()

    async def refused(target: object) -> object:
        assert watch.rows == 1
        return target

    survey = watch.surveying(refused)
    for _ in range(4):
        assert not looks(watch, MOST_LOOKS)
        await survey("row")
    assert watch.rows == 0


def test_who_waits_for_the_list_may_wait_while_no_row_is_out() -> None:
    watch = Run().watch()
    seen: list[bool] = []

    def batch() -> list[object]:
        seen.append(looks(watch, 2 * MOST_LOOKS))
        watch.rows = 1
        seen.append(looks(watch, 2 * MOST_LOOKS))
        return []

    watch.reading(batch)()
    assert seen == [False, True]
    assert not watch.awaits_list


def test_who_waits_for_a_reader_may_wait_until_there_is_room(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    watch = Run().watch(writing)
    filled(writing)
    assert not looks(watch, 3 * MOST_LOOKS)
    while not has_room(writing):
        os.read(reading, 4096)
    assert looks(watch, 1 + MOST_LOOKS)


def test_a_reader_that_is_gone_is_not_waited_for(pipe: tuple[int, int]) -> None:
    writing = os.dup(pipe[1])
    os.close(writing)
    assert has_room(writing)


def test_a_run_is_asked_to_end_once_and_then_left() -> None:
    run = Run()
    guard = run.guard(run.watch())
    for _ in range(1 + MOST_LOOKS):
        guard.step()
    assert run.done == []
    for _ in range(LEAVES_WITHIN_LOOKS):
        guard.step()
        assert run.done == ["asked"]
    guard.step()
    assert run.done == ["asked", "left"]


def test_a_sign_of_life_that_comes_too_late_saves_nobody() -> None:
    """What it leads to are rows of a run that ends: its exit code is told already."""
    run = Run()
    watch = run.watch()
    guard = run.guard(watch)
    for step in range(2 + MOST_LOOKS + LEAVES_WITHIN_LOOKS):
        guard.step()
        run.signs += step > MOST_LOOKS
    assert run.done == ["asked", "left"]


def test_a_look_that_found_no_memory_was_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standstill, "LOOKS_EVERY_S", 0.001)
    looked: list[None] = []

    def signs() -> int:
        looked.append(None)
        if len(looked) == 3 * MOST_LOOKS:
            guard.over.release()
        raise MemoryError

    guard = Guard(Watch(signs, lambda: 0.0), str, str, str)
    guard.over.acquire()
    guard.stand()
    assert len(looked) == 3 * MOST_LOOKS
    assert not guard.watch.gave_up


def test_a_process_without_memory_for_a_minute_of_looks_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standstill, "LOOKS_EVERY_S", 0.001)
    looked: list[None] = []

    def signs() -> int:
        looked.append(None)
        raise MemoryError

    over = threading.Lock()
    over.acquire()
    Guard(Watch(signs, lambda: 0.0), str, over.release, str, over).stand()
    assert len(looked) == BLIND_MOST + 1


@pytest.mark.parametrize("deadlines", [Deadlines(), LAB_DEADLINES, Deadlines(dns_s=900.0), Deadlines(policy_s=900.0)])
def test_no_step_may_take_longer_than_the_silence_that_is_borne(deadlines: Deadlines) -> None:
    steps = (deadlines.session_s + deadlines.quit_s, deadlines.dns_s, deadlines.policy_s, LONGEST_PAUSE_S + CANARY_S)
    assert longest_step_s(deadlines) > max(steps)


@pytest.mark.parametrize("pace", [STANDARD, LAB, Pace(address_interval_s=9000.0), Pace(provider_per_s=0.0001)])
def test_no_gate_is_shut_for_longer_than_the_pause_that_is_borne(pace: Pace) -> None:
    shut_s = (pace.backoff_most_s, 1.4 * 1.02 * pace.address_interval_s, 1.02 / pace.provider_per_s)
    assert longest_pause_s(pace) >= max(shut_s)


@pytest.mark.parametrize("is_abstract", [False, True])
def test_the_service_manager_is_told_that_we_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_abstract: bool
) -> None:
    """sd_notify(3): a datagram; a name that begins with @ is abstract."""
    place = f"@starttls-test-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", place)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(place.replace("@", "\0", 1))
        manager.settimeout(30)
        with service_manager() as tell:
            tell()
        assert manager.recv(64) == ALIVE


def test_a_service_manager_that_is_away_troubles_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    with service_manager() as tell:
        tell()
    monkeypatch.delenv("NOTIFY_SOCKET")
    with service_manager() as tell:
        tell()
