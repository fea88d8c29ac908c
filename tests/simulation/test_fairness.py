"""A slow giant in the list: the others are finished nearly as soon as without it (docs/guarantees.md P11)."""

from pathlib import Path

import pytest

from scanner.settings import GENTLE, Settings
from tests.simulation.simulated import simulate
from tests.simulation.world import SOURCES, Domain, Host, Temper, World

ROWS, WORKERS = 1500, 300
GIANTS_SHARE = 0.8
SLOW_S = 20.0


def one_of_the_giants(n: int, addresses: int) -> tuple[Domain, Host]:
    """A customer of the giant, whose host has an address of its own, or shares it with others."""
    number = n % addresses
    host = Host(f"10.{number >> 8}.{number & 255}.1", Temper.GOOD, SLOW_S)
    return Domain(f"g{n}.test", "ok", (f"mx{n}.giant.example",)), host


def another(n: int) -> tuple[Domain, Host]:
    """A domain with a server of its own."""
    return Domain(f"o{n}.test", "ok", (f"mx.o{n}.test",)), Host(f"11.{n >> 8}.{n & 255}.1", Temper.GOOD, 1.0)


def others_finish_s(folder: Path, listed: list[tuple[Domain, Host]]) -> float:
    """Seconds until the last row that is not the giant's is written."""
    world = World(
        seed=1,
        settings=Settings(SOURCES[:1], pace=GENTLE),
        domains=tuple(domain for domain, _ in listed),
        hosts={domain.mx[0]: (host,) for domain, host in listed},
        troubles=(),
        stalls=(),
        stops=(),
        blocked=(),
        own_share=0.0,
        workers=WORKERS,
    )
    folder.mkdir()
    ended = simulate(world, folder)
    assert sorted(ended.rows) == list(range(1, len(listed) + 1))
    mine = {n for n, domain in enumerate(world.domains, 1) if domain.name.startswith("o")}
    began_s = ended.peers.trace[0][0]
    rows = [(at_s, int(what.split()[1])) for at_s, what in ended.peers.trace if what.startswith("row ")]
    return max(at_s for at_s, n in rows if n in mine) - began_s


@pytest.mark.parametrize("addresses", [1200, 3], ids=["many servers", "few servers"])
def test_others_finish_nearly_as_soon_as_without_the_giant_before_them(tmp_path: Path, addresses: int) -> None:
    giants = [one_of_the_giants(n, addresses) for n in range(round(ROWS * GIANTS_SHARE))]
    others = [another(n) for n in range(ROWS - len(giants))]
    alone_s = others_finish_s(tmp_path / "alone", others)
    assert others_finish_s(tmp_path / "beside", giants + others) < 1.2 * alone_s
