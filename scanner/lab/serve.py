"""Open everything, say where it is, and wait to be sent home.

Touches: network, files (in a temporary directory), clock (deadlines of connections). Source: none.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from scanner.lab import cast as casting
from scanner.lab import zone
from scanner.lab.dns_server import open_resolver
from scanner.lab.https_server import PolicyServer, open_policies
from scanner.lab.pki import Pki
from scanner.lab.scenarios import SCENARIOS
from scanner.lab.scenarios.sources import SOURCES
from scanner.lab.smtp_server import bind, open_stages


async def serve() -> None:
    """Serve until standard input ends or a signal comes. Raises OSError where no ports are free."""
    home = _dismissal()
    cast = casting.cast(SCENARIOS)
    with tempfile.TemporaryDirectory(prefix="starttls-lab-") as directory:
        pki = Pki(Path(directory), tuple(cast.policies))
        async with contextlib.AsyncExitStack() as stack:
            ready = await _open(cast, pki, stack)
            print(json.dumps(ready), flush=True)  # noqa: T201 - the one line that this process is asked for
            await home.wait()


async def _open(cast: casting.Cast, pki: Pki, stack: contextlib.AsyncExitStack) -> dict[str, object]:
    hosts = cast.hosts if _has_ipv6() else {address: host for address, host in cast.hosts.items() if ":" not in address}
    held = stack.enter_context(contextlib.ExitStack())
    smtp = bind([*hosts, "127.0.0.1"], held)
    https = bind([casting.HTTPS_ADDRESS, casting.HTTPS_REFUSED], held)
    names = zone.build(cast.records, SCENARIOS, pki.association)
    dns_port = await open_resolver(casting.DNS_ADDRESS, names, stack)
    await open_stages(smtp, hosts, pki.context, stack)
    await open_policies(https[casting.HTTPS_ADDRESS], PolicyServer(cast.policies, pki.context), stack)
    return {
        "resolver": f"{casting.DNS_ADDRESS}:{dns_port}",
        "smtp_port": smtp["127.0.0.1"].getsockname()[1],
        "https_port": https[casting.HTTPS_ADDRESS].getsockname()[1],
        "ca_file": str(pki.ca_file),
        "sources": [{"name": name, "address": address} for name, address in SOURCES],
        "allow_networks": ["127.0.0.0/8", "::1/128"],
        "pid": os.getpid(),
    }


def _has_ipv6() -> bool:
    """Whether there is an IPv6 loopback here; in some containers there is none."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as tried:
        bind(["::1"], tried)
        return True
    return False


def _dismissal() -> asyncio.Event:
    """Set at the end of standard input, read by a thread because it may be anything, or at a signal."""
    home = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, home.set)

    def listen() -> None:
        with contextlib.suppress(OSError):
            while os.read(sys.stdin.fileno(), 4096):
                pass
        with contextlib.suppress(RuntimeError):  # the loop may have been closed by a signal
            loop.call_soon_threadsafe(home.set)

    threading.Thread(target=listen, daemon=True).start()
    return home
