from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.cli import units
from scanner.cli.configuration import written
from scanner.model.session import Role, Source

READERS = [
    *(units.duration_s, units.rate_per_s, units.count, units.seed, units.port, units.share, units.shard),
    *(units.network, units.resolver, units.ehlo_name, units.source, units.domain, units.role, units.models),
]


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (units.duration_s, "30s", 30.0),
        (units.duration_s, "500ms", 0.5),
        (units.duration_s, "1.5min", 90.0),
        (units.rate_per_s, "50/s", 50.0),
        (units.rate_per_s, "6/min", 0.1),
        (units.share, "50%", 0.5),
        (units.models, "gmail,may", ("may", "gmail")),
        (units.shard, "8/8", (8, 8)),
        (units.resolver, "127.0.0.1", "127.0.0.1"),
        (units.resolver, "127.0.0.1:5353", "127.0.0.1:5353"),
        (units.resolver, "::1", "::1"),
        (units.resolver, "[::1]", "[::1]"),
        (units.resolver, "[::1]:53", "[::1]:53"),
        (units.source, "192.0.2.1", Source("192.0.2.1", "192.0.2.1")),
        (units.source, "192.0.2.1=mail", Source("mail", "192.0.2.1")),
        (units.source, "192.0.2.1@a.example.org", Source("192.0.2.1", "192.0.2.1", "a.example.org")),
        (units.source, "2001:DB8::1=mail@a.example.org", Source("mail", "2001:db8::1", "a.example.org")),
        (units.source, "192.0.2.1,role=witness", Source("192.0.2.1", "192.0.2.1", role=Role.WITNESS)),
        (
            units.source,
            "192.0.2.1=w@a.example.org,role=witness,rate=6/min,open=50",
            Source("w", "192.0.2.1", "a.example.org", Role.WITNESS, 0.1, 50),
        ),
        (units.source, "192.0.2.1=w,open=1,rate=2/s", Source("w", "192.0.2.1", "", Role.MAIL, 2.0, 1)),
        (units.domain, "Example.ORG.", "example.org"),
        (units.domain, "m\u00fcller.example", "xn--mller-kva.example"),
    ],
)
def test_a_value_is_read_with_its_unit(reader: Callable[[str], object], text: str, value: object) -> None:
    assert reader(text) == value


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        *((units.duration_s, text) for text in ("30", "s", "0s", "-1s", "1d", "")),
        *((units.rate_per_s, text) for text in ("50", "50/d", "0/s", "/s")),
        *((units.count, text) for text in ("0", "-1", "x", "1.5", "99999999999")),
        *((units.port, text) for text in ("0", "65536", "http")),
        *((units.share, text) for text in ("50", "101%", "%")),
        *((units.shard, text) for text in ("0/8", "9/8", "1", "1/")),
        *((units.network, text) for text in ("10.0.0.1/8", "x", "10.0.0.0/33")),
        *((units.resolver, text) for text in ("dns.example.org", "127.0.0.1:0", "127.0.0.1:", "[::1", "::1]:53", "")),
        *((units.ehlo_name, text) for text in ("localhost", "a..b", "müller.example", "a b.example", "192.0.2.1")),
        *((units.source, text) for text in ("mx.example.org", "192.0.2.1=mail@localhost", "=mail", "")),
        *((units.source, f"192.0.2.1=a,{text}") for text in ("role=scan", "rate=5", "open=0", "colour=red", "role")),
        *((units.source, f"192.0.2.1=a,{text}") for text in ("", "open=1,open=2", "name=b", "address=192.0.2.2")),
        *((units.domain, text) for text in ("192.0.2.1", "a b.example", "a..b", "")),
    ],
)
def test_a_value_without_sense_is_refused_with_a_clear_line(reader: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match=r"^not "):
        reader(text)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({}, "not an address of ours: it is missing"),
        ({"address": "mx.example.org"}, "not an address of ours: mx.example.org"),
        ({"address": "192.0.2.1", "nmae": "a"}, "not a part of a source: nmae"),
        ({"address": "192.0.2.1", "name": " "}, "not a name: ' '"),
        ({"address": "192.0.2.1", "name": "\x1b[2J"}, "not a name: '\\x1b[2J'"),
    ],
)
def test_a_source_in_parts_is_refused_with_a_clear_line(words: dict[str, str], line: str) -> None:
    with pytest.raises(ValueError, match=r"^not ") as refused:
        units.source_table(words)
    assert str(refused.value) == line


@given(
    role=st.sampled_from(Role),
    rate=st.none() | st.floats(0.001, 1000),
    places=st.none() | st.integers(1, 2**31 - 1),
    name=st.sampled_from(["", "a.example.org"]),
)
def test_law_a_written_source_is_read_as_the_same(
    role: Role, rate: float | None, places: int | None, name: str
) -> None:
    source = replace(Source("s", "2001:db8::1", name, role), rate_per_s=rate, open_most=places)
    assert units.source(str(written(source))) == source


@given(st.sampled_from(READERS), st.text(max_size=40))
def test_no_text_raises_anything_else(reader: Callable[[str], object], text: str) -> None:
    try:
        reader(text)
    except ValueError as refused:
        assert "\n" not in str(refused) or "\n" in text  # noqa: PT017 - one line, unless the text itself had more


def test_an_unknown_sender_model_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"^no sender model: , posfix; there are none, may, .*strict_rfc$"):
        units.models("posfix,may,")
