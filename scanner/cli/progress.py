"""What people see on stderr while a run is in motion, and its summary. Never anything that a peer wrote.

Touches: stderr, clock (given). Source: docs/record.md (streams).
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

import anyio

from scanner.tally import Tally

TERMINAL_EVERY_S = 0.5
WORDS_SHOWN = 8


@dataclass(slots=True)
class Progress:
    """Status lines: rewritten in place on a terminal, else one line each `interval_s`; silent when `quiet`."""

    tally: Tally
    monotonic_s: Callable[[], float]
    interval_s: float
    quiet: bool = False
    out: TextIO = field(default_factory=lambda: sys.stderr)
    began_at_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.began_at_s = self.monotonic_s()

    async def show(self) -> None:
        """Show until cancelled."""
        on_terminal = self.out.isatty()
        while not self.quiet:
            await anyio.sleep(TERMINAL_EVERY_S if on_terminal else self.interval_s)
            self.say(f"\r\x1b[K{self.line()}" if on_terminal else f"{self.line()}\n")

    def status(self) -> None:
        """Show one line now: somebody asked."""
        self.say(f"{self.line()}\n")

    def line(self) -> str:
        """Say how far the run is."""
        rows, took_s = self.tally.rows, max(self.monotonic_s() - self.began_at_s, 0.001)
        undone = f", {self.tally.undone} undone" if self.tally.undone else ""
        return f"{rows} rows{undone}, {rows / took_s:.1f}/s: {counted(self.tally, 'status')}"

    def summary(self) -> None:
        """Say what was found, an axis a line."""
        if self.quiet:
            return
        clear = "\r\x1b[K" if self.out.isatty() else ""
        self.say(f"{clear}{self.line()}\n")
        for name in ("starttls", "webpki", "dane", "mta_sts", "tls_rpt", "first_finding"):
            self.say(f"  {name:<14} {counted(self.tally, name) or '-'}\n")
        if waiting := counted(self.tally, "would_wait"):
            self.say(f"  {'would_wait':<14} {waiting}\n")

    def say(self, text: str) -> None:
        """Write to stderr; a closed stderr must not end a scan."""
        try:
            self.out.write(text)
            self.out.flush()
        except OSError:
            self.quiet = True


def counted(tally: Tally, name: str) -> str:
    """List the words of one axis, the most frequent first."""
    most = tally.words[name].most_common(WORDS_SHOWN)
    rest = len(tally.words[name]) - len(most)
    return ", ".join(f"{word} {number}" for word, number in most) + (f", {rest} more" if rest > 0 else "")
