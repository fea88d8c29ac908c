"""What does DNS cost for a domain, and does its memory grow with the number of names?

Every domain is asked for what a typical one needs: MX, the addresses and TLSA records of its host, MTA-STS and TLS-RPT.
Its host is one of 200, so those are asked once. The resolver is that of a scan: c-ares, its breaker, its memory.

`python benchmarks/names.py [--names N]`

Touches: network (loopback), processes. Source: docs/performance.md.
"""

import argparse
import asyncio
import time
from dataclasses import dataclass, field

import uvloop

from benchmarks.fleet import ORIGIN
from benchmarks.inside import cpu_s, machine, rss_mb
from benchmarks.nameserver import nameserver
from scanner.net.breaker import Breaking
from scanner.net.remembering import Remembering
from scanner.net.resolver import AiodnsResolver
from scanner.settings import Limits

AT_ONCE = 200
WARM_UP = 2_000
CPU_MOST_MS = 0.25
SHARES = 10


@dataclass(slots=True)
class Asked:
    """Processor time of each tenth of the names, and the memory after it."""

    ms_each: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)


async def ask(resolver: Remembering, number: int) -> int:
    """Everything about one domain; return how many answers of use came."""
    domain = f"s{number}.{ORIGIN}"
    mx = await resolver.mx(domain)
    host = mx.records[0].exchange
    ipv4, ipv6 = await resolver.ipv4(host), await resolver.ipv6(host)
    await resolver.tlsa(f"_25._tcp.{host}")
    await resolver.txt(f"_smtp._tls.{domain}")
    await resolver.txt(f"_mta-sts.{domain}")
    return len(ipv4.records) + len(ipv6.records)


async def measured(server: str, names: int) -> Asked:
    """Ask about so many, in tenths. Raises RuntimeError where an address is missing."""
    asked = Asked()
    async with AiodnsResolver((server,), 15.0) as bulk:
        breaking = Breaking(bulk, bulk.canary, 60.0, time.monotonic)
        resolver = Remembering(breaking, Limits().answers_remembered, time.monotonic)
        found = await part(resolver, range(WARM_UP))
        for tenth in range(SHARES):
            numbers = range(WARM_UP + tenth * names // SHARES, WARM_UP + (tenth + 1) * names // SHARES)
            before_s = cpu_s()
            found += await part(resolver, numbers)
            asked.ms_each.append((cpu_s() - before_s) * 1000 / len(numbers))
            asked.rss_mb.append(rss_mb())
    if found != names + WARM_UP:
        raise RuntimeError(f"{found} addresses of {names + WARM_UP}")
    return asked


async def part(resolver: Remembering, numbers: range) -> int:
    """Some of them, so many at once."""
    todo, found = iter(numbers), 0

    async def work() -> None:
        nonlocal found
        for number in todo:
            addresses = await ask(resolver, number)
            found += addresses

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="DNS of many domains: processor time and memory.")
    parser.add_argument("--names", type=int, default=100_000, help="how many domains (default 100000)")
    names = parser.parse_args().names
    with nameserver() as server:
        asked = uvloop.run(measured(server, names))
    each = sorted(asked.ms_each)[SHARES // 2]
    print(f"{machine()}\n{names} domains, three queries each and three for each of 200 hosts\n")
    print("share of the names   " + " ".join(f"{(tenth + 1) * 10:5} %" for tenth in range(SHARES)))
    print("CPU ms a domain      " + " ".join(f"{ms:7.3f}" for ms in asked.ms_each))
    print("RSS MB               " + " ".join(f"{mb:7.0f}" for mb in asked.rss_mb))
    print(f"\nmedian {each:.3f} ms (wanted: at most {CPU_MOST_MS})")
    print(f"memory: {asked.rss_mb[-1] / asked.rss_mb[0]:.2f} times that at 10 % (wanted: flat)")


if __name__ == "__main__":
    main()
