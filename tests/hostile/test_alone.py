"""Each hostile peer alone: the right outcome within its deadline, and what it cost us."""

import gc
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import orjson
import pytest

from scanner import jsonl
from scanner.cli.network import connected
from scanner.lab.scenario import Scenario
from scanner.model.target import Target
from scanner.survey import survey
from tests.hostile.attacks import hostile
from tests.hostile.places import PATIENT, Place, job_of
from tests.hostile.watching import Watched, watched
from tests.lab.judging import Row, wrongs

CPU_MOST_S = 1.0
HELD_UP_MOST_S = 0.25
GROWN_MOST_MB = 48.0
LATE_MOST_S = 4.0
"""What a loaded machine may add to a deadline."""
IMPATIENT = {"connect": 0.3, "greeting": 0.3, "ehlo": 0.3, "starttls": 0.3, "handshake": 0.3}
STEP_OF = {"resolve": {"dns": 0.5}, "ehlo_tls": {"ehlo": 1.0}}
UNFETCHED = {"policy": 0.8}


@dataclass(slots=True)
class Costs:
    """What was seen of all scenarios."""

    seen: dict[str, Watched] = field(default_factory=dict)
    wrong: int = 0

    def worst(self, what: str) -> str:
        """The scenario that cost most of this."""
        most, name = max((getattr(seen, what), name) for name, seen in self.seen.items())
        return f"{most:.3f} ({name})"


@pytest.fixture(scope="module")
def costs() -> Iterator[Costs]:
    """Print the figures behind the last one."""
    kept = Costs()
    gc.collect()
    gc.freeze()  # what the tests themselves keep must not be searched while a peer is measured
    yield kept
    gc.unfreeze()
    left = sum(each.descriptors_left for each in kept.seen.values())
    sys.stdout.write(
        f"\nhostile alone: {len(kept.seen)} scenarios, wrong {kept.wrong}, "
        f"most cpu {kept.worst('cpu_s')} s, loop held up {kept.worst('longest_s')} s, "
        f"memory {kept.worst('grown_mb')} MB, descriptors left {left}\n"
    )


def deadlines(scenario: Scenario) -> dict[str, float]:
    """Patient everywhere but where the peer is expected to keep us waiting."""
    limits = PATIENT | {"quit": 0.3} | (UNFETCHED if scenario.expected.mta_sts == "unknown" else {})
    stage, kind = scenario.expected.fault or ("", "")
    if kind in {"timeout", "dns_timeout"}:
        limits |= STEP_OF.get(stage) or {stage: IMPATIENT[stage]}
    return limits


async def alone(domain: str, words: list[str]) -> tuple[Row, Watched]:
    """Scan one domain with everything that a run has, from opening the network to closing it."""
    with job_of([os.devnull, *words]) as job:
        async with watched() as seen, connected(job) as network, anyio.create_task_group() as group:
            group.start_soon(network.stalls.watch)
            record = await survey(Target(1, domain), network.tools, job.settings, job.run_id)
            group.cancel_scope.cancel()
    return orjson.loads(jsonl.encode(record)), seen


def late_s(row: Row, limits: dict[str, Any]) -> float:
    """By how much a session outlasted its deadline, or one of its steps did."""
    names = {"ehlo_tls": "ehlo", "done": "quit"}
    late = [0.0]
    for session in row["sessions"]:
        took_s = {stage: (ms or 0) / 1000 for stage, ms in session["times_ms"].items()}
        late.append(sum(took_s.values()) - limits["session"])
        late += [took - limits[names.get(stage, stage)] * (1 + (stage == "ehlo")) for stage, took in took_s.items()]
    return max(late)


@pytest.mark.parametrize("scenario", hostile(), ids=lambda scenario: scenario.name)
async def test_a_hostile_peer_gets_its_verdict_and_no_more_of_us(
    scenario: Scenario, place: Place, costs: Costs
) -> None:
    limits = deadlines(scenario)
    row, seen = await alone(scenario.domain, place.options(limits, sources=1))
    costs.seen[scenario.name] = seen
    found = [words for words in wrongs(scenario, row) if not words.startswith("differs_by_source")]
    costs.wrong += bool(found)
    assert found == []
    assert late_s(row, limits) < LATE_MOST_S
    assert seen.descriptors_left == 0
    assert seen.cpu_s < CPU_MOST_S
    assert seen.longest_s < HELD_UP_MOST_S
    assert seen.grown_mb < GROWN_MOST_MB


async def test_a_server_that_is_slow_at_every_step_meets_the_deadline_of_the_session(place: Place) -> None:
    limits = {**PATIENT, "session": 1.0}
    row, _ = await alone("hostile-slow-everywhere.lab.test", place.options(limits, sources=1))
    assert row["sessions"][0]["fault"]["kind"] == "timeout"
    assert late_s(row, limits) < LATE_MOST_S
