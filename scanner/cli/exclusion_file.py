"""Who asked to be left alone, in a file that may change while a run lasts: looked at every second.

Whoever asks in mid-run is heard without a restart. A version counts when it lay still from one look to the next, so
that nobody is knocked at because an editor had only half of it written; one that is gone, or has a rule that is not
understood, leaves the rules in force that there are, and that is said once.

Touches: files, threads (a disk may be slow), clock (given). Source: docs/what-we-send.md (how to be left alone).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import anyio
from anyio import to_thread

from scanner.manifest import Since
from scanner.model.route import Endpoint
from scanner.protocols import exclusions
from scanner.protocols.exclusions import Exclusions

LOOK_EVERY_S = 1.0

Signature = tuple[int, int, int]
"""What changes when a file does: its place on the disk, its size, the time of the last change."""


@dataclass(slots=True)
class ExclusionFile:
    """Implements exclusions.LeftAlone with the rules in force. `versions` are those that were, the first first.

    Without a path nobody asked, and `watch` ends at once. `tell` gets lines for people; `every_s` is in seconds.
    """

    path: str
    now: Callable[[], datetime]
    tell: Callable[[str], None]
    rules: Exclusions = exclusions.NONE
    versions: tuple[Since, ...] = ()
    every_s: float = LOOK_EVERY_S
    _known: Signature | None = None
    _looked_at: Signature | None = None

    def rule_for_name(self, name: str) -> str | None:
        """Name the suffix that covers this domain or host now."""
        return self.rules.rule_for_name(name)

    def rule_for_endpoint(self, endpoint: Endpoint) -> str | None:
        """Name the rule that covers the MX host or its address now."""
        return self.rules.rule_for_endpoint(endpoint)

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while self.path:
            await anyio.sleep(self.every_s)
            await to_thread.run_sync(self.look)

    def look(self) -> None:
        """Take a new version that lay still since the last look. Blocks."""
        seen = signature(self.path)
        is_still, self._looked_at = seen == self._looked_at, seen
        if seen == self._known or not is_still:
            return
        self._known = seen
        try:
            rules, sha256 = read(self.path)
        except (OSError, ValueError) as error:
            self.tell(f"--exclude {self.path}: {reason(error)}; the rules read before stay in force")
        else:
            self._take(rules, sha256)

    def _take(self, rules: Exclusions, sha256: str) -> None:
        if self.versions and self.versions[-1].sha256 == sha256:
            return
        self.rules = rules
        self.versions += (Since(sha256, self.now()),)
        self.tell(f"--exclude {self.path}: {len(rules.networks) + len(rules.suffixes)} rules are in force now")


def read(path: str) -> tuple[Exclusions, str]:
    """Read the rules, and the digest of the file. Raises OSError and ValueError."""
    content = Path(path).read_bytes()
    return exclusions.read(content.decode("utf-8")), hashlib.sha256(content).hexdigest()


def reason(error: OSError | ValueError) -> str:
    """Say in a few words why it could not be read."""
    return str(error.strerror if isinstance(error, OSError) else error)


def signature(path: str) -> Signature | None:
    """What this file looks like from outside; None where there is none."""
    try:
        seen = Path(path).stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns
