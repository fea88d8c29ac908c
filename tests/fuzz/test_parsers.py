"""One law for every parser of foreign bytes (tests/fuzz/parsers.py): always with Hypothesis and with the kept corpus.

`python tests/fuzz/harness.py reply` goes on for as long as it is let, guided by coverage, where atheris is installed.
"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.parsers import INPUT_MOST, PARSERS, obey

CORPUS = Path(__file__).parent / "corpus"
KEPT = {name: [path.read_bytes() for path in sorted((CORPUS / name).iterdir())] for name in PARSERS}


@pytest.mark.parametrize("name", PARSERS)
def test_the_kept_corpus_is_read(name: str) -> None:
    assert KEPT[name]
    for data in KEPT[name]:
        obey(name, data)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.binary(max_size=2000))
def test_arbitrary_bytes_raise_nothing_else_and_cost_little(name: str, data: bytes) -> None:
    obey(name, data)


@st.composite
def mutated(draw: st.DrawFn, name: str) -> bytes:
    """Something that was kept, with a few pieces cut out, doubled, replaced or joined with another."""
    data = draw(st.sampled_from(KEPT[name]))
    for _ in range(draw(st.integers(1, 4))):
        at, size = draw(st.integers(0, len(data))), draw(st.integers(0, 40))
        piece = draw(st.one_of(st.binary(max_size=8), st.just(data[at : at + size] * 2), st.sampled_from(KEPT[name])))
        data = data[:at] + piece + data[at + size :]
    return data


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=100)
@given(st.data())
def test_what_is_nearly_right_raises_nothing_else_and_costs_little(name: str, data: st.DataObject) -> None:
    obey(name, data.draw(mutated(name)))


@pytest.mark.parametrize("name", PARSERS)
def test_much_of_the_same_takes_no_longer(name: str) -> None:
    """What makes a regular expression or a quadratic loop explode: one piece again and again."""
    pieces = {
        b" ",
        b"a",
        b"0",
        b"a.",
        b"*.",
        b";",
        b":",
        b"\r",
        b"\n",
        b"\0",
        b"\xff",
        b'"',
        b"\\",
        b"{",
        b"[",
        b"250-",
    }
    pieces |= {data[at : at + 16] for data in KEPT[name] for at in (0, len(data) // 2, max(0, len(data) - 16))}
    for piece in sorted(pieces - {b""}):
        obey(name, (piece * INPUT_MOST)[:INPUT_MOST])
        obey(name, KEPT[name][0] + (piece * INPUT_MOST)[: INPUT_MOST // 2])


def test_the_corpus_stays_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 200_000
