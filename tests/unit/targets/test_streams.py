"""A list is unpacked by what its bytes say, and a stream that lies, ends early or swells is refused."""

import contextlib
import gzip
import io
import os
import sys
import threading
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.frames import CHUNK_BYTES
from scanner.settings import Limits
from scanner.targets.refusal import ListRefused
from scanner.targets.streams import ByteStream, opened

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"".join(b"%d,a%x.example\n" % (i, i * 2654435761) for i in range(20_000))
CHECKED: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}  # as the zstd command does by itself
SKIPPABLE = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"pzstd"
PARTS = (TEXT[:1000], TEXT[1000:200_000], TEXT[200_000:])
PACKED = {
    "list.csv": TEXT,
    "one.gz": gzip.compress(TEXT),
    "several.gz": b"".join(map(gzip.compress, PARTS)),
    "padded.gz": gzip.compress(PARTS[0]) + bytes(100_000) + gzip.compress(PARTS[1] + PARTS[2]) + bytes(700),
    "one.zst": zstd.compress(TEXT),
    "several.zst": b"".join(map(zstd.compress, PARTS)),
    "parallel.zst": SKIPPABLE + zstd.compress(TEXT) + SKIPPABLE,
}


class Dripping(io.BytesIO):
    """A pipe that gives a few bytes at a time."""

    def read1(self, size: int | None = -1, /) -> bytes:
        """Give seven bytes at most."""
        return self.read(min(7, size) if size is not None and size >= 0 else 7)


def drained(stream: ByteStream, *, keep: bool = True) -> bytes:
    """Read all of it, as a list is read."""
    pieces = []
    with stream:
        while piece := stream.read(CHUNK_BYTES):
            pieces.append(piece if keep else b"")
    return b"".join(pieces)


def written(path: Path, content: bytes) -> str:
    """Put a list into a file."""
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("name", PACKED)
def test_a_file_is_unpacked(name: str, tmp_path: Path) -> None:
    """Members and frames in a row are one list."""
    assert drained(opened(written(tmp_path / name, PACKED[name]), io.BytesIO())) == TEXT


@pytest.mark.parametrize("name", PACKED)
def test_standard_input_is_unpacked_by_its_first_bytes(name: str) -> None:
    """It has no name to go by."""
    assert drained(opened("-", io.BytesIO(PACKED[name]))) == TEXT


@pytest.mark.parametrize("name", ["several.gz", "padded.gz", "several.zst", "parallel.zst"])
def test_a_dripping_pipe_is_unpacked_alike(name: str) -> None:
    """Where the chunks end is no property of the list."""
    assert drained(opened("-", Dripping(PACKED[name]))) == TEXT


def test_the_first_bytes_tell_even_under_another_name(tmp_path: Path) -> None:
    """A packed list is never text."""
    assert drained(opened(written(tmp_path / "list.csv", PACKED["one.gz"]), io.BytesIO())) == TEXT


@pytest.mark.parametrize("content", [b"", b"\n", b"a", b"a\nb"])
def test_a_short_list_is_a_list(content: bytes) -> None:
    """Even none at all."""
    assert drained(opened("-", io.BytesIO(content))) == content


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("list.zip", b"PK\x03\x04rest", "zip archive"),
        ("list.xz", b"\xfd7zXZ\x00", "xz -dc"),
        ("list.csv.bz2", b"BZh91AY", "bzip2 -dc"),
        ("list.gz", TEXT, "not gzip"),
        ("list.gz", PACKED["one.zst"], "not gzip"),
        ("list.zst", b"", "not zstd"),
    ],
)
def test_what_is_no_list_is_refused_with_a_way_out(name: str, content: bytes, why: str, tmp_path: Path) -> None:
    """Before anything is read from it."""
    with pytest.raises(ListRefused, match=why):
        opened(written(tmp_path / name, content), io.BytesIO())


@pytest.mark.parametrize(("path", "why"), [("missing.csv", "No such file"), (".", "directory"), ("a\0b", "null")])
def test_what_cannot_be_opened_is_refused(path: str, why: str, tmp_path: Path) -> None:
    """With the reason of the system."""
    with pytest.raises(ListRefused, match=why):
        opened(str(tmp_path / path), io.BytesIO())


@pytest.mark.parametrize("name", ["one.gz", "several.gz", "one.zst", "several.zst"])
@pytest.mark.parametrize("lost", [1, 5, 1000])
def test_a_list_that_is_cut_off_is_an_error(name: str, lost: int) -> None:
    """Some libraries return what there is and say nothing: half a list would pass for the whole."""
    stream = opened("-", io.BytesIO(PACKED[name][:-lost]))
    with pytest.raises(ListRefused, match="cut off"):
        drained(stream)


@pytest.mark.parametrize("name", ["one.gz", "one.zst"])
def test_a_damaged_list_is_an_error(name: str) -> None:
    """Told by its check sum or sooner."""
    broken = bytearray(PACKED[name] if name == "one.gz" else zstd.compress(TEXT, options=CHECKED))
    broken[len(broken) // 2] ^= 0xFF
    with pytest.raises(ListRefused, match="cannot be unpacked"):
        drained(opened("-", io.BytesIO(broken)))


@pytest.mark.parametrize("name", ["one.gz", "one.zst"])
def test_what_follows_the_end_and_is_no_member_is_an_error(name: str) -> None:
    """It might have been rows."""
    with pytest.raises(ListRefused, match="cannot be unpacked"):
        drained(opened("-", io.BytesIO(PACKED[name] + b"example.org\n")))


def bomb_gz(mebibytes: int) -> bytes:
    """A thousandth of its size."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(b"a" * 2**20) for _ in range(mebibytes)) + packer.flush()


def bomb_zst(mebibytes: int) -> bytes:
    """Smaller still."""
    packer = zstd.ZstdCompressor()
    return b"".join(packer.compress(b"a" * 2**20) for _ in range(mebibytes)) + packer.flush()


@pytest.mark.parametrize("bomb", [bomb_gz, bomb_zst])
def test_a_bomb_is_refused_before_it_swells(bomb: type[bytes]) -> None:
    """In the memory of a few chunks, and a window."""
    rows = opened("-", io.BytesIO(bomb(64)))
    tracemalloc.start()
    try:
        with pytest.raises(ListRefused, match="200 times"):
            drained(rows, keep=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20


def test_a_short_repetitive_list_is_no_bomb() -> None:
    """Only what is large is judged."""
    assert len(drained(opened("-", io.BytesIO(bomb_zst(8))))) == 8 * 2**20


def test_the_expansion_that_is_allowed_is_a_setting() -> None:
    """For those who trust their list."""
    assert len(drained(opened("-", io.BytesIO(bomb_gz(20)), Limits(list_expansion=2000)))) == 20 * 2**20


def test_a_zstd_window_beyond_8_mib_is_refused() -> None:
    """It would be allocated before a row is read (RFC 8878 section 3.1.1.1.2)."""
    wide: dict[int, int] = {
        zstd.CompressionParameter.window_log: 27,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    packer = zstd.ZstdCompressor(options=wide)
    content = packer.compress(os.urandom(2**20)) + packer.flush()
    with pytest.raises(ListRefused, match="memory"):
        drained(opened("-", io.BytesIO(content)))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_a_pipe_gives_what_is_there(pack: type[bytes]) -> None:
    """The writer waits for us, so waiting for more would be for ever."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stdin, os.fdopen(writing, "wb", buffering=0) as feeder:
        feeder.write(pack(b"a.example\n"))
        stream = opened("-", stdin)
        given = b""
        while b"\n" not in given:
            given += stream.read(CHUNK_BYTES)
    assert given == b"a.example\n"


def test_a_pipe_without_waiting_is_made_to_wait() -> None:
    """Another process may have set it non-blocking; silence would look like the end of the list."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with os.fdopen(reading, "rb") as stdin, os.fdopen(writing, "wb", buffering=0) as feeder:
        later = threading.Timer(0.2, feeder.write, [b"a.example\n"])
        later.start()
        assert opened("-", stdin).read(4) == b"a.ex"
        later.join()


class Silent(io.BytesIO):
    """A pipe that is made non-blocking after it was opened."""

    def read1(self, size: int | None = -1, /) -> bytes:
        """Give nothing, which is not the same as no bytes."""
        return None  # type: ignore[return-value]


class Broken(io.BytesIO):
    """A disk that fails."""

    def read1(self, size: int | None = -1, /) -> bytes:
        """Fail."""
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize(("stdin", "why"), [(Silent(), "non-blocking"), (Broken(), "Input/output error")])
def test_a_stream_that_fails_is_not_at_its_end(stdin: io.BytesIO, why: str) -> None:
    """A shorter list would pass for the whole."""
    with pytest.raises(ListRefused, match=why):
        opened("-", stdin)


@given(st.sampled_from([b"", b"\x1f\x8b\x08", PACKED["one.gz"][:200], PACKED["one.zst"][:200], SKIPPABLE]), st.binary())
def test_any_bytes_are_a_list_or_are_refused(head: bytes, tail: bytes) -> None:
    """One law: nothing else is raised."""
    with contextlib.suppress(ListRefused):
        drained(opened("-", io.BytesIO(head + tail)))
