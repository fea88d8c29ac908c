"""What rows that are read back have in common: each certificate, each server is read once, and the last few thousand
stay read.

A row names certificates by digest only, and a million rows share a few thousand of them. Servers stand in every row
in full; those that many domains share are one value for all of them, as they were in the scan.

Touches: nothing. Source: docs/record.md.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from scanner.jsonl.once import ReadOnce
from scanner.model.assessment import Prediction
from scanner.model.certificate import Certificate
from scanner.model.route import Endpoint, MxHost
from scanner.model.session import Session
from scanner.protocols import certificate

REMEMBERED = 4096
"""Some 16 MB."""
HOSTS_KEPT, SESSIONS_KEPT, PREDICTIONS_KEPT = 1024, 1024, 256
"""Some 9, 20 and 7 MB of rows as odd as those of the lab. The servers that most domains of a list share are fewer."""
DIGEST = re.compile(r"[0-9a-f]{,64}")
"""Shorter in a row that had to be cut."""


class Again:
    """A session that rows share: the very same value for all that ask for it under the same name, one after the other.

    `net/shared.py` hands it out in the same way, while it scans.
    """

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def under(self, endpoint: Endpoint, is_inherited: bool) -> Session:  # noqa: FBT001 - a field
        """Give it to a row."""
        if self._session.endpoint != endpoint or self._session.inherited is not is_inherited:
            self._session = replace(self._session, endpoint=endpoint, inherited=is_inherited)
        return self._session


class Certificates:
    """Certificates by SHA-256, out of DER by SHA-256. One that is missing is there by its digest, without DER.

    Beside them is kept whatever else rows that are read together have in common: `hosts`, `sessions`, `predictions`.
    """

    def __init__(self, ders: Mapping[str, bytes], remembered: int = REMEMBERED) -> None:
        self._ders = ders
        self._seen: OrderedDict[str, Certificate] = OrderedDict()
        self._remembered = remembered
        self.hosts = ReadOnce[MxHost](HOSTS_KEPT)
        self.sessions = ReadOnce[Again](SESSIONS_KEPT)
        self.predictions = ReadOnce[tuple[Prediction, ...]](PREDICTIONS_KEPT)

    def __getitem__(self, sha256: str) -> Certificate:
        """Raises ValueError or TypeError for what is no digest, or that of another certificate: nothing else may become
        the name of one.
        """
        if sha256 in self._seen:
            self._seen.move_to_end(sha256)
            return self._seen[sha256]
        if not DIGEST.fullmatch(sha256):
            raise ValueError("no SHA-256 in lower-case hex")
        der = self._ders.get(sha256)
        found = Certificate(sha256, b"") if der is None else certificate.read(der)
        if found.sha256 != sha256:
            raise ValueError(f"the certificate that is kept as {sha256} is another one")
        self._seen[sha256] = found
        if len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        return found
