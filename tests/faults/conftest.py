"""One world for all stories of a worker."""

from collections.abc import Iterator

import pytest

from tests.faults.world import World
from tests.faults.world import world as opened


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Keep it while there are tests; every story puts back what it broke."""
    with opened() as made:
        yield made


@pytest.fixture(scope="session")
def apart(world: World) -> World:
    """A world of which network and disks may be broken."""
    if world.holder is None:
        pytest.skip("needs a network namespace: unshare(1), nsenter(1), ip(8), and a kernel that allows them")
    return world
