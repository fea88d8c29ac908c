"""One domain looked at now, by the same code path as a scan: a list of one row.

Touches: everything of `scanner.net`. Source: docs/record.md (commands), docs/what-we-send.md.
"""

import io
from contextlib import ExitStack
from dataclasses import replace

import anyio

from scanner.cli import laboratory
from scanner.cli.exits import Exit, Refused
from scanner.cli.job import Job, prepared
from scanner.cli.loop import in_loop
from scanner.cli.options import Chosen
from scanner.model.record import Record
from scanner.model.target import Target
from scanner.settings import SourceUse

PATIENCE_S = 30.0
"""Somebody waits for the answer: a resolver that is dead that long is told at once."""
OF_THE_LIST = {"column": "", "delimiter": "", "policy-column": "", "shard": (1, 1), "processes": 1}
"""Options of other, longer lists, which may stand in the configuration file."""


def looked_at(domain: str, chosen: Chosen) -> Record:
    """Survey one domain; with two sources, from each. Raises Refused where this machine may not, or cannot."""
    with ExitStack() as opened:
        if chosen["lab"]:
            chosen = laboratory.inside(chosen, opened.enter_context(laboratory.laboratory()))
        one_row = io.BytesIO(f"domain\n{domain}\n".encode())
        job = opened.enter_context(prepared("-", for_one(chosen), one_row))
        [target] = job.batch()
        record: Record = in_loop(survey_it, job, target)
    return record


def for_one(chosen: Chosen) -> Chosen:
    """Settle what nobody chose: compare sources where there are two, and do not wait long for a dead resolver."""
    unsaid: dict[str, object] = {"resolver-patience": PATIENCE_S, "network-patience": PATIENCE_S}
    if len(chosen["source"]) > 1:
        unsaid["sources"] = SourceUse.EACH.value
    open_ones = {name: value for name, value in unsaid.items() if chosen.origins[name] == "default"}
    return replace(chosen, values={**chosen.values, **open_ones, **OF_THE_LIST})


async def survey_it(job: Job, target: Target) -> Record:
    """Survey, as `motion` does for a whole list. Raises Refused."""
    from scanner.cli.motion import OF_THE_ENVIRONMENT, informed  # noqa: PLC0415 - DNS and HTTP libraries, as in `scan`
    from scanner.cli.network import connected  # noqa: PLC0415
    from scanner.cli.preflight import check_identity  # noqa: PLC0415
    from scanner.run import Control  # noqa: PLC0415
    from scanner.survey import survey  # noqa: PLC0415

    async with connected(job) as network:
        if not job.chosen["i-am-testing"]:
            await check_identity(job.settings.sources, network.bulk)
        async with anyio.create_task_group() as group:
            group.start_soon(network.stalls.watch)
            group.start_soon(network.canaries.watch)
            await informed(job, network, Control())
            record = await survey(target, network.tools, job.settings, job.run_id)
            group.cancel_scope.cancel()
    fault = None if record.evidence is None else record.evidence.own_fault
    if fault is not None and fault.kind.value in OF_THE_ENVIRONMENT:
        raise Refused(Exit.ENVIRONMENT, f"{target.domain} could not be looked at: {fault.kind.value}: {fault.detail}")
    return record
