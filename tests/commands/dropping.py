"""The command `starttls`, interrupted where Python drops it: in a callback of an import while it starts.

Touches: signals, and what the command touches. Source: the documentation of weakref.ref.
"""

import os
import signal
import sys
import weakref
from collections.abc import Sequence
from types import ModuleType

from scanner.cli.main import main

WHEN_IMPORTED = "scanner.cli.job"


class Told:
    """Something to weakly refer to."""


def interrupt(_: object) -> None:
    """Interrupt ourselves, and be here still when Python calls the handler."""
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass


class Watching:
    """A finder of modules that finds none, and interrupts at one of them."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Say that somebody else knows."""
        if name == WHEN_IMPORTED:
            told = Told()
            reference = weakref.ref(told, interrupt)
            del told
            assert reference() is None


if __name__ == "__main__":
    sys.meta_path.insert(0, Watching())
    main()
