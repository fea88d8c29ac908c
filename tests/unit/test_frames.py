"""Frames are whole or nothing, hold whole lines, and never swell beyond what we write."""

import gzip
import io
import os
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.frames import (
    FRAME_BYTES,
    FRAME_MOST_BYTES,
    PACKINGS,
    CutOff,
    Damaged,
    Packing,
    packed,
    pieces,
    unpacked,
)

KINDS = pytest.mark.parametrize("packing", PACKINGS.values(), ids=PACKINGS)
LINES = b"".join(b'{"n":%d}\n' % n for n in range(1, 9))


def read(content: bytes, packing: Packing) -> list[tuple[int, bytes]]:
    return list(unpacked(io.BytesIO(content).read, packing))


@given(st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"")), min_size=1))
def test_pieces_are_whole_lines_in_order(lines: list[bytes]) -> None:
    text = b"".join(line + b"\n" for line in lines)
    divided = list(pieces(text * 1000))
    assert b"".join(divided) == text * 1000
    assert all(piece.endswith(b"\n") for piece in divided)
    assert max(map(len, divided)) <= FRAME_BYTES


@KINDS
def test_a_line_longer_than_a_frame_has_a_frame_of_its_own(packing: Packing) -> None:
    long = b"x" * (FRAME_MOST_BYTES - 1) + b"\n"
    assert [plain for _, plain in read(packed(b"a\n" + long + b"b\n", packing), packing)] == [b"a\n", long, b"b\n"]


@KINDS
def test_every_frame_is_told_with_the_offset_of_its_end(packing: Packing) -> None:
    one, none, two = (packed(lines, packing) for lines in (LINES, b"", LINES * 3))
    ends = [(len(one), LINES), (len(one + none), b""), (len(one + none + two), LINES * 3)]
    assert read(one + none + two, packing) == ends


@KINDS
def test_frames_are_a_file_for_every_other_program(packing: Packing) -> None:
    content = packed(LINES, packing) + packed(b"", packing) + packed(LINES, packing)
    command = {".zst": "zstd", ".gz": "gzip"}[packing.ending]
    if shutil.which(command) is None:
        pytest.skip(f"{command} is not installed")
    assert subprocess.run([command, "-dc"], input=content, check=True, capture_output=True).stdout == LINES * 2


@KINDS
def test_a_file_cut_at_any_byte_has_the_frames_before_it(packing: Packing) -> None:
    one = packed(LINES, packing)
    for size in range(1, len(one)):
        frames = unpacked(io.BytesIO(one + one[:size]).read, packing)
        assert next(frames) == (len(one), LINES)
        with pytest.raises(CutOff):
            next(frames)


@KINDS
def test_no_changed_byte_is_taken_for_what_was_written(packing: Packing) -> None:
    """A bit may be of no meaning (the time in a gzip header); then the lines are what they were."""
    one = packed(LINES, packing)
    for place in range(len(one)):
        for bit in range(8):
            changed = bytearray(one)
            changed[place] ^= 1 << bit
            try:
                assert [plain for _, plain in read(bytes(changed) + one, packing)] == [LINES, LINES]
            except (Damaged, CutOff):
                continue


@KINDS
@pytest.mark.parametrize("content", [bytes(64), LINES, b"\n", os.urandom(64)], ids=["zeros", "plain", "line", "noise"])
def test_what_is_no_frame_is_damage(packing: Packing, content: bytes) -> None:
    with pytest.raises((Damaged, CutOff)):
        read(packed(LINES, packing) + content, packing)


@KINDS
def test_a_frame_that_ends_within_a_line_is_none_of_ours(packing: Packing) -> None:
    with pytest.raises(Damaged, match="within a line"):
        read(packing.pack(LINES + b"torn"), packing)


@KINDS
def test_a_frame_larger_than_ours_is_not_unpacked(packing: Packing) -> None:
    with pytest.raises(Damaged, match="larger than any of ours"):
        read(packing.pack(bytes(64 << 20)), packing)


def test_a_member_of_another_program_is_read_as_well() -> None:
    content = gzip.compress(LINES)
    assert read(content, PACKINGS[".gz"]) == [(len(content), LINES)]
