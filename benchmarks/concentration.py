"""What does sharing save on a list like those of real life, where a few providers take most of the mail?

The list is made up, with the shares that Tranco 1M has (April 2026, of domains with MX): 22 % on Google, with one set
of five names for everybody; 17 % on Microsoft, with a name of its own for each tenant on a few shared addresses; 25 %
on a server of their own; the rest on 200 hosters with one, two or three hosts each, the large ones first. Domains
without MX are left out: they cost no session either way. DNS answers from memory, so that only sharing is measured.

The same scanner takes the whole list with sharing, and a part of it, drawn evenly, with `--no-share`.

`python benchmarks/concentration.py [--domains N] [--alone N]`

Touches: network (loopback), files (a temporary directory), processes. Source: docs/performance.md.
"""

import argparse
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks.fleet import ORIGIN, Fleet, address, fleet
from benchmarks.inside import Bench, Given, Scanned, Scanner, machine, rss_mb
from scanner.model.route import MxRecord

GOOGLE, MICROSOFT, OWN = 0.22, 0.17, 0.25
GOOGLE_HOSTS = 5
MICROSOFT_ADDRESSES = 16
HOSTERS = 200
AT_GOOGLE, AT_MICROSOFT, AT_HOSTERS, ALONE = 0, 100, 1_000, 10_000
"""Numbers of servers in the fleet: where each part of the list begins."""
AT_ONCE = 256
SESSIONS_MOST, TIMES_LEAST = 0.35, 4.0


@dataclass(frozen=True, slots=True)
class World:
    """Who takes whose mail. `shares` are sums, from the first hoster to the last."""

    draw: random.Random
    weights: tuple[float, ...] = tuple(1 / (rank + 5) for rank in range(HOSTERS))

    def domains(self, many: int) -> list[str]:
        """The list: each name says where its mail goes."""
        kinds = self.draw.choices("gmoh", (GOOGLE, MICROSOFT, OWN, 1 - GOOGLE - MICROSOFT - OWN), k=many)
        hosters = self.draw.choices(range(HOSTERS), self.weights, k=many)
        return [
            f"{kind}{number}{f'h{hoster}' if kind == 'h' else ''}.{ORIGIN}"
            for number, (kind, hoster) in enumerate(zip(kinds, hosters, strict=True))
        ]


def hosts(domain: str) -> tuple[MxRecord, ...]:
    """The MX hosts that the name of the domain says."""
    kind, label = domain[0], domain.partition(".")[0][1:]
    if kind == "g":
        return tuple(MxRecord(10 * (rank + 1), f"g{rank}.google.{ORIGIN}") for rank in range(GOOGLE_HOSTS))
    if kind == "m":
        return (MxRecord(0, f"t{label}.outlook.{ORIGIN}"),)
    if kind == "o":
        return (MxRecord(10, f"o{label}.{ORIGIN}"),)
    hoster = int(label.partition("h")[2])
    return tuple(MxRecord(10 * (rank + 1), f"h{3 * hoster + rank}.{ORIGIN}") for rank in range(1 + hoster % 3))


def addresses(host: str) -> tuple[str, ...]:
    """The addresses that the name of the host says; of Microsoft's, two for each tenant."""
    kind, number = host[0], int(host[1:].partition(".")[0])
    if kind == "t":
        return tuple(address(AT_MICROSOFT + (number + turn) % MICROSOFT_ADDRESSES) for turn in (0, 7))
    return (address({"g": AT_GOOGLE, "h": AT_HOSTERS, "o": ALONE}[kind] + number),)


async def scanned(peers: Fleet, directory: Path, domains: Sequence[str], *, share: bool) -> Scanned:
    """Scan one list. Raises RuntimeError where a row is missing or did not come out right."""
    scanner = Scanner(Bench(peers, Given(hosts, addresses), directory, AT_ONCE, share=share))
    told = await scanner.scan(iter(domains))
    if told.rows != len(domains) or told.sound != told.rows:
        raise RuntimeError(f"{told.sound} good rows of {told.rows}, and {len(domains)} were wanted")
    return told


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Sharing on a list with few large providers.")
    parser.add_argument("--domains", type=int, default=20_000, help="length of the list (default 20000)")
    parser.add_argument("--alone", type=int, default=1_500, help="how many of them without sharing (default 1500)")
    flags = parser.parse_args()
    listed = World(random.Random(1)).domains(flags.domains)
    few = listed[:: max(1, flags.domains // flags.alone)]
    with tempfile.TemporaryDirectory(prefix="starttls-bench-") as name, fleet() as peers:
        alone = uvloop.run(scanned(peers, Path(name), few, share=False))
        shared = uvloop.run(scanned(peers, Path(name), listed, share=True))
    shares = Counter(domain[0] for domain in listed)
    told = ", ".join(f"{kind} {100 * shares[kind] / flags.domains:.0f} %" for kind in "gmoh")
    print(f"{machine()}\nGoogle, Microsoft, own, hosters: {told}; DNS from memory\n")
    print("               domains  sessions  a domain   CPU ms  a domain   domains a CPU second")
    for label, each in (("shared", shared), ("--no-share", alone)):
        print(
            f"{label:<12} {each.rows:9} {each.sessions:9} {each.sessions / each.rows:9.3f} "
            f"{each.ms_each:17.3f} {1000 / each.ms_each:21.0f}"
        )
    times = alone.ms_each / shared.ms_each
    print(f"\nsessions a domain {shared.sessions / shared.rows:.3f} (wanted: at most {SESSIONS_MOST})")
    print(f"sharing makes {times:.1f} times as many domains a CPU second (wanted: {TIMES_LEAST:.0f})")
    print(f"RSS at the end {rss_mb():.0f} MB")


if __name__ == "__main__":
    main()
