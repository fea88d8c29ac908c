"""The command with a patience of seconds for a run that stands still, and with a question that is never answered.

`python still.py HOW scan ...`: at the name FATAL the run loses its answer (`lost`), cannot even be cancelled there
(`deaf`), or its event loop is held up for ever: by a call (`held`), or by a thread that dies before it says that it has
begun, as one does that finds no memory (`unborn`). Any other word breaks nothing.
"""

import sys
import threading
import time

import anyio

from scanner.cli import standstill
from scanner.cli.main import main
from scanner.model.route import Answer, MxRecord
from scanner.net.resolver import AiodnsResolver
from scanner.settings import Deadlines

PATIENCE_S = 6.0
"""Longer than every deadline of the lab's profile but that of a whole session: they are signs of life too."""
FATAL = "d3.many.lab.test"
FOR_EVER_S = 1e6


async def lost() -> None:
    """Wait for what does not come."""
    await anyio.sleep_forever()


async def deaf() -> None:
    """Wait for it, and hear nothing else."""
    with anyio.CancelScope(shield=True):
        await anyio.sleep_forever()


async def held() -> None:
    """Hold up the loop."""
    time.sleep(FOR_EVER_S)  # noqa: ASYNC251 - that is the fault


async def unborn() -> None:
    """Start a thread that never begins."""

    class Unborn(threading.Thread):
        def _bootstrap_inner(self) -> None:
            """Die: a MemoryError does this."""

    Unborn().start()


WAYS = {"lost": lost, "deaf": deaf, "held": held, "unborn": unborn}


def broken(how: str) -> None:
    """Break the resolver of this process."""
    ask = AiodnsResolver.mx

    async def mx(self: AiodnsResolver, domain: str) -> Answer[MxRecord]:
        if domain == FATAL and how in WAYS:
            await WAYS[how]()
        return await ask(self, domain)

    AiodnsResolver.mx = mx  # type: ignore[method-assign]


def impatient(deadlines: Deadlines) -> float:
    """Stand in for what is derived from the deadlines, which is too long for a test."""
    return min(PATIENCE_S, deadlines.session_s)


if __name__ == "__main__":
    standstill.longest_step_s = impatient
    broken(sys.argv.pop(1))
    main()
