"""Ctrl-C while the command still starts: it ends it, as Python does, and is remembered besides.

Python drops an exception that is raised in the callback of a weak reference, and every import ends with one: an
interruption at the start of a scan could come to nothing, and a run that waits for its list would go on waiting.

Touches: signals. Source: docs/guarantees.md P8; the documentation of weakref.ref.
"""

import signal
from types import FrameType
from typing import NoReturn


class Interruption:
    """The handler of SIGINT while a command starts. `came`: there was one."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self, _number: int, _frame: FrameType | None) -> NoReturn:
        """Raises KeyboardInterrupt."""
        self.came = True
        raise KeyboardInterrupt


def remember_interruption() -> None:
    """Listen from now on, also where a shell has its background jobs ignore SIGINT, as a run in motion does."""
    signal.signal(signal.SIGINT, Interruption())


def heed_interruption() -> None:
    """Raises KeyboardInterrupt where one came and was dropped: whoever calls this is still there."""
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, Interruption) and handler.came:
        raise KeyboardInterrupt


def leave_it_to_the_loop() -> None:
    """Raises KeyboardInterrupt as above. From now on SIGINT is Python's again: an event loop takes over that handler
    and no other, and ends its main task in order.
    """
    heed_interruption()
    if isinstance(signal.getsignal(signal.SIGINT), Interruption):
        signal.signal(signal.SIGINT, signal.default_int_handler)
