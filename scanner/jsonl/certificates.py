"""Certificates for rows that are read back: each is read from its DER once, and the last few thousand stay read.

A row names certificates by digest only, and a million rows share a few thousand of them.

Touches: nothing. Source: docs/record.md.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping

from scanner.model.certificate import Certificate
from scanner.protocols import certificate

REMEMBERED = 4096
"""Some 16 MB."""
DIGEST = re.compile(r"[0-9a-f]{,64}")
"""Shorter in a row that had to be cut."""


class Certificates:
    """Certificates by SHA-256, out of DER by SHA-256. One that is missing is there by its digest, without DER."""

    def __init__(self, ders: Mapping[str, bytes], remembered: int = REMEMBERED) -> None:
        self._ders = ders
        self._seen: OrderedDict[str, Certificate] = OrderedDict()
        self._remembered = remembered

    def __getitem__(self, sha256: str) -> Certificate:
        """Raises ValueError or TypeError for what is no digest: nothing else may become the name of a certificate."""
        if sha256 in self._seen:
            self._seen.move_to_end(sha256)
            return self._seen[sha256]
        if not DIGEST.fullmatch(sha256):
            raise ValueError("no SHA-256 in lower-case hex")
        der = self._ders.get(sha256)
        found = Certificate(sha256, b"") if der is None else certificate.read(der)
        self._seen[sha256] = found
        if len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        return found
