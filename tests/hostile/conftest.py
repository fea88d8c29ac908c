"""One lab for all hostile tests of a worker."""

from collections.abc import Iterator

import pytest

from scanner.cli.laboratory import laboratory
from tests.hostile.places import Place


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """Serve while there are tests."""
    with laboratory() as told:
        yield Place(told)
