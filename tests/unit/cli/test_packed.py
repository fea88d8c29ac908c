"""Rows and certificates are read as they are found: plain, or as frames of either kind."""

import io
import itertools
import tempfile
from pathlib import Path

import pytest

from scanner import frames, jsonl
from scanner.cli import lastrow
from scanner.cli.exits import Exit, Refused
from scanner.cli.packed import Frames, beside, lines, opened, split
from scanner.cli.rowfile import reading
from scanner.parts import LINE_BYTES
from scanner.protocols import certificate
from tests.unit.stories import CA, LEAF, SIGNED, TYPICAL

ENDINGS = ["", *frames.PACKINGS]


def written(path: Path, *pieces: bytes) -> str:
    """One frame for each piece, as its name says."""
    packing = frames.packing_of(path)
    path.write_bytes(b"".join(pieces if packing is None else map(packing.pack, pieces)))
    return str(path)


def test_lines_are_split_wherever_the_pieces_end() -> None:
    long = b"x" * 200_000
    assert list(split(io.BytesIO(b"one\n" + long + b"\n\nlast"))) == [b"one", long, b"", b"last"]


def test_what_is_longer_than_any_row_is_never_held_whole() -> None:
    lines = list(split(io.BytesIO(b"x" * (3 * LINE_BYTES) + b"\nrow\n")))
    assert lines[-1] == b"row"
    assert max(map(len, lines)) < 2 * LINE_BYTES


@pytest.mark.parametrize("ending", ENDINGS)
def test_rows_in_several_frames_are_one_file(ending: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"rows.jsonl{ending}", b"one\ntwo\n", b"three\n", b"", b"four\n")
    assert list(lines(path)) == [b"one", b"two", b"three", b"four"]
    with opened(path) as stream:
        assert list(stream) == [b"one\n", b"two\n", b"three\n", b"four\n"]
        stream.seek(4)
        assert stream.readline() == b"two\n"


@pytest.mark.parametrize("ending", ENDINGS)
def test_rows_and_certificates_are_found_in_packed_files(ending: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"rows.jsonl{ending}", jsonl.encode(TYPICAL), jsonl.encode(SIGNED))
    ders = [jsonl.encode_certificate(certificate.read(der)) for der in (LEAF, CA)]
    written(tmp_path / f"rows.jsonl.certificates.jsonl{ending}", *ders)
    domain = TYPICAL.target.domain
    with reading(path) as file:
        found = file.find(domain)
    assert found is not None
    assert found[1].sessions[0].handshake is not None
    assert found[1].sessions[0].handshake.chain[0].der
    assert lastrow.stored(path, domain, None) == found[0]


@pytest.mark.parametrize(
    ("rows", "there", "found"),
    [
        ("r.jsonl", "r.jsonl.certificates.jsonl", "r.jsonl.certificates.jsonl"),
        ("r.jsonl.zst", "r.jsonl.certificates.jsonl.zst", "r.jsonl.certificates.jsonl.zst"),
        ("r.jsonl.gz", "r.jsonl.certificates.jsonl.gz", "r.jsonl.certificates.jsonl.gz"),
        ("r.jsonl.zst", "r.jsonl.certificates.jsonl", "r.jsonl.certificates.jsonl"),
        ("r.jsonl", "r.jsonl.certificates.jsonl.zst", "r.jsonl.certificates.jsonl.zst"),
        ("r.jsonl", "other", "r.jsonl.certificates.jsonl"),
    ],
)
def test_certificates_are_those_beside_the_rows_packed_or_not(
    rows: str, there: str, found: str, tmp_path: Path
) -> None:
    (tmp_path / there).touch()
    assert beside(str(tmp_path / rows)) == str(tmp_path / found)


@pytest.mark.parametrize("ending", frames.PACKINGS)
def test_a_file_that_is_cut_off_is_refused_and_not_taken_for_a_shorter_one(ending: str, tmp_path: Path) -> None:
    path = Path(written(tmp_path / f"rows.jsonl{ending}", b"one\n" * 99))
    path.write_bytes(path.read_bytes()[:-3])
    for read in (opened, lambda name: list(lines(name))):
        with pytest.raises(Refused, match="cut off"):
            read(str(path))


def test_rows_that_are_alike_may_shrink_more_than_a_list(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl.gz", b"x" * 1000 + b"\n", (b"x" * 1000 + b"\n") * 40_000)
    assert sum(1 for _ in lines(path)) == 40_001


def test_a_bomb_of_rows_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl.zst", bytes(64 << 20))
    with pytest.raises(Refused, match="2000 times"):
        opened(path)


ROWS = [b"%d %s\n" % (number, b"x" * (number * 7919 % 5000)) for number in range(3000)]


@pytest.mark.parametrize("ending", frames.PACKINGS)
def test_every_place_of_a_file_of_ours_is_found_without_unpacking_it(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In memory that is that of a few frames, and in no temporary file."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr("scanner.cli.packed.FRAMES_KEPT", 2)
    plain = b"".join(ROWS)
    packing = frames.PACKINGS[ending]
    path = tmp_path / f"rows.jsonl{ending}"
    path.write_bytes(packing.pack(b"") + frames.packed(plain, packing) + packing.pack(b""))
    with opened(str(path)) as stream:
        assert list(stream) == ROWS
        begins = [*itertools.accumulate(map(len, ROWS), initial=0)]
        for number in sorted(range(3000), key=lambda number: number * 7919 % 3000):
            assert (stream.seek(begins[number]), stream.readline()) == (begins[number], ROWS[number])
        assert (stream.seek(len(plain)), stream.read(9), stream.readline()) == (len(plain), b"", b"")
        assert (stream.seek(begins[7] + 1), stream.readline(3)) == (begins[7] + 1, ROWS[7][1:4])
        stream.seek(0)
        assert b"".join(iter(lambda: stream.read(10_000), b"")) == plain
        assert isinstance(stream, Frames)
        assert len(stream._kept) == 2


@pytest.mark.parametrize("ending", frames.PACKINGS)
def test_a_packed_file_that_changed_meanwhile_is_refused(ending: str, tmp_path: Path) -> None:
    path = Path(written(tmp_path / f"rows.jsonl{ending}", b"one\n" * 99, b"two\n" * 99))
    with opened(str(path)) as stream:
        path.write_bytes(bytes(path.stat().st_size))
        with pytest.raises(Refused, match="it changed while it was read"):
            stream.readline()


@pytest.mark.parametrize("ending", frames.PACKINGS)
@pytest.mark.parametrize("pieces", [[b"".join(ROWS)], [b"one\ntw", b"o\nthree\n"]], ids=["long", "within a line"])
def test_what_another_program_packed_is_read_from_a_temporary_file(
    pieces: list[bytes], ending: str, tmp_path: Path
) -> None:
    path = written(tmp_path / f"rows.jsonl{ending}", *pieces)
    with opened(path) as stream:
        assert (stream.read(), stream.seek(4), stream.read(3)) == (b"".join(pieces), 4, b"".join(pieces)[4:7])


def test_a_place_without_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "rows.jsonl.zst", b"".join(ROWS))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(Refused, match="TMPDIR") as refused:
        opened(path)
    assert refused.value.code is Exit.OUTPUT
