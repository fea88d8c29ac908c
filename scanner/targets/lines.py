"""From chunks of bytes to lines, in memory that no line can exceed.

Lines end at LF, CR or both. Of a longer line the beginning is kept, one byte more than the cap, and the rest of it is
passed over; so whoever gets a line sees by its length that it was too long.

Touches: nothing.
"""

from collections.abc import Iterator


class Lines:
    """The one line that is still growing. `most` is in bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Give the lines that end in this chunk, without their ends. Nothing is kept for later but one beginning."""
        *ended, rest = chunk.replace(b"\r", b"\n").split(b"\n")
        for piece in ended:
            yield self._joined(piece)
            self._begun = b""
        self._begun = self._joined(rest)

    def finish(self) -> bytes:
        """Give what stands after the last line end."""
        line, self._begun = self._begun, b""
        return line

    def _joined(self, piece: bytes) -> bytes:
        return self._begun + piece[: self._most + 1 - len(self._begun)]
