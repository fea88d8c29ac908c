from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from scanner import jsonl
from scanner.jsonl import Certificates
from scanner.model.certificate import Certificate
from scanner.protocols import certificate
from tests.unit import stories as some


@dataclass
class Shelf(Mapping[str, bytes]):
    """DER by digest, and what was asked for."""

    asked: list[str] = field(default_factory=list)

    def __getitem__(self, sha256: str) -> bytes:
        self.asked.append(sha256)
        return some.CERTIFICATES[sha256]

    def __iter__(self) -> Iterator[str]:
        return iter(some.CERTIFICATES)

    def __len__(self) -> int:
        return len(some.CERTIFICATES)


def test_a_certificate_is_read_once_however_many_rows_name_it() -> None:
    shelf = Shelf()
    certificates = Certificates(shelf)
    line = jsonl.encode(some.TYPICAL)
    records = [jsonl.decode(line, certificates) for _ in range(20)]
    assert records == [some.TYPICAL] * 20
    assert len(shelf.asked) == len(set(shelf.asked)) > 0


def test_what_is_remembered_is_bounded_and_the_latest_stay() -> None:
    shelf = Shelf()
    first, second, *_ = some.CERTIFICATES
    certificates = Certificates(shelf, remembered=1)
    found = [certificates[sha256] for sha256 in (first, first, second, first)]
    assert shelf.asked == [first, second, first]
    assert found[0] == found[3] == certificate.read(some.CERTIFICATES[first])


@pytest.mark.parametrize("sha256", ["0" * 64, "0f"])
def test_one_that_is_missing_is_there_by_its_digest(sha256: str) -> None:
    """A row that had to be cut keeps a piece of it."""
    assert Certificates({})[sha256] == Certificate(sha256, b"")


@pytest.mark.parametrize("sha256", ["no digest", "0" * 65, "0F", 7, None, ["0"], {"0": 1}])
def test_nothing_but_a_digest_names_a_certificate(sha256: Any) -> None:
    certificates = Certificates({})
    with pytest.raises((ValueError, TypeError)):
        certificates[sha256]


def test_a_certificate_that_is_kept_under_the_digest_of_another_is_refused() -> None:
    first, second, *_ = some.CERTIFICATES
    certificates = Certificates({first: some.CERTIFICATES[second]})
    with pytest.raises(ValueError, match=f"kept as {first} is another one"):
        certificates[first]
