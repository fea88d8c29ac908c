"""Exit codes: an open set in which an unknown non-zero code means failure.

Touches: nothing. Source: docs/record.md (exit codes).
"""

from enum import IntEnum


class Exit(IntEnum):
    """What the shell is told; `words` says it on the last line of stderr."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    INCOMPLETE = 3
    ENVIRONMENT = 5
    OUTPUT = 6
    LOCKED = 7
    ALARM = 8
    HUNG_UP = 129
    INTERRUPTED = 130
    CONSUMER_GONE = 141
    TERMINATED = 143

    @property
    def words(self) -> str:
        """The code in a few words."""
        return WORDS[self]


WORDS = {
    Exit.OK: "every row concluded",
    Exit.INTERNAL: "internal error",
    Exit.USAGE: "usage, configuration or input refused; nothing was sent",
    Exit.INCOMPLETE: "finished, but some rows are inconclusive through us or too many input rows are invalid",
    Exit.ENVIRONMENT: "the environment does not allow a scan",
    Exit.OUTPUT: "the output failed",
    Exit.LOCKED: "another run holds the lock",
    Exit.ALARM: "finished, and a --fail-on rule matched",
    Exit.HUNG_UP: "hung up; the run can be resumed",
    Exit.INTERRUPTED: "interrupted; the run can be resumed",
    Exit.CONSUMER_GONE: "the consumer closed the pipe",
    Exit.TERMINATED: "terminated; the run can be resumed",
}


class Refused(Exception):  # noqa: N818 - it is what happened, not an error of ours
    """The command ends here: one clear line for people, and the exit code."""

    def __init__(self, code: Exit, line: str) -> None:
        super().__init__(line)
        self.code = code
