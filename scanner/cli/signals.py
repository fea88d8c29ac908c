"""What a person or a service manager may ask of a run in motion.

The first SIGINT, SIGTERM or SIGHUP lets open sessions end; the second ends the run at once; SIGUSR1 asks for a status
line. Handlers are installed explicitly: a background job of a shell starts with SIGINT ignored.

Touches: signals. Source: docs/guarantees.md P8.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from scanner.cli.exits import Exit
from scanner.run import Control

EXITS = {
    signal.SIGINT: Exit.INTERRUPTED,
    signal.SIGTERM: Exit.TERMINATED,
    signal.SIGHUP: Exit.HUNG_UP,
}


@dataclass(slots=True)
class Heard:
    """The exit code that the first signal asks for; None while nobody asked to stop."""

    exit: Exit | None = None


async def obey(control: Control, heard: Heard, show_status: Callable[[], None]) -> None:
    """Listen until cancelled."""
    with anyio.open_signal_receiver(*EXITS, signal.SIGUSR1) as signals:
        async for number in signals:
            if number == signal.SIGUSR1:
                show_status()
            elif heard.exit is None:
                heard.exit = EXITS[number]
                control.stop_admitting.set()
            else:
                control.stop_now.set()
