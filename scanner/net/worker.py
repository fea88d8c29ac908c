"""A worker process: it holds sessions over connections that its parent made and handed over.

Standard input is the channel to the parent. When that ends the parent is gone, and so are we, at once. Signals that
ask to stop are for the parent: a terminal does not reach us, a service manager does, and open sessions still want their
QUIT.

Touches: network, clock, signals. Source: docs/adr/0007-processes.md.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import anyio
import orjson
from anyio import TaskHandle
from anyio.abc import TaskGroup

from scanner.model.fault import Fault, Kind, Side, Stage, is_of_memory
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Source
from scanner.net import tls
from scanner.net.channel import Channel
from scanner.net.clock import Clock
from scanner.net.garbage import collect_seldom
from scanner.net.handshakes import Handshakes
from scanner.net.messages import Order, Sent, read_order, unread, write_seen
from scanner.net.seen import Seen
from scanner.net.smtp import Talk, Tools
from scanner.net.stalls import Stalls, ours
from scanner.settings import Deadlines, Limits

BEATS_EVERY_S = 1.0
"""A parent that hears nothing for long takes us for dead."""
NOT_FOR_US = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DETAIL_LETTERS = 500


@dataclass(slots=True)
class Desk:
    """Takes orders, and answers each when its session is over."""

    tools: Tools
    stalls: Stalls
    group: TaskGroup
    channel: Channel = field(init=False)
    _sent: Sent = field(default_factory=Sent)
    _held: dict[int, TaskHandle[None, None]] = field(default_factory=dict)

    def hear(self, messages: list[Any]) -> None:
        """Begin the sessions asked for; a number alone says that nobody wants that one any more."""
        for number, *order in messages:
            if order:
                opened = socket.socket(fileno=self.channel.descriptors.popleft())
                opened.setblocking(False)  # noqa: FBT003 - its own signature
                self._held[number] = self.group.start_soon(self._answer, number, read_order(order), opened)
            elif number in self._held:
                self._held[number].cancel()

    async def beat(self) -> None:
        """Show that we live, until cancelled; a parent that stands still is not buried under it."""
        while True:
            if not self.channel.is_waiting:
                self.channel.say(None)
            await anyio.sleep(BEATS_EVERY_S)

    async def _answer(self, number: int, order: Order, opened: socket.socket) -> None:
        try:
            seen = await self._talked(order, opened)
            self.channel.say([number, write_seen(seen, self._sent)])
        finally:
            del self._held[number]

    async def _talked(self, order: Order, opened: socket.socket) -> Seen:
        """Hold the session. Whatever it raises is our bug and ends this one alone; a doubtful time-out is ours too."""
        deadlines = replace(self.tools.deadlines, session_s=order.left_s)
        there, here = Endpoint("", "", 0, order.server_name), Source("", "", order.ehlo_name)
        talk = Talk(replace(self.tools, deadlines=deadlines), there, here, order.hello)
        began_at_s = self.stalls.monotonic_s()
        try:
            await gone_through(talk, opened)
        except Exception as error:  # noqa: BLE001 - cancellation passes, all else is ours (docs/guarantees.md P7)
            detail = f"{type(error).__name__}: {error}"[:DETAIL_LETTERS]
            kind = Kind.NO_BUFFERS if is_of_memory(error) else Kind.BUG
            talk.seen.fault = Fault(Stage.GREETING, kind, Side.OURS, detail)
        finally:
            talk.hang_up()
        fault = talk.seen.fault
        if fault is not None and fault.kind is Kind.TIMEOUT and self.stalls.since(began_at_s):
            talk.seen.fault = ours(fault)
        return talk.seen


async def gone_through(talk: Talk, opened: socket.socket) -> None:
    """Hold a session from its greeting on."""
    outcome = await talk.adopt(opened)
    if isinstance(outcome, Fault):
        talk.seen.fault = outcome
    else:
        await talk.hold(outcome)


async def serve(deadlines: Deadlines, limits: Limits) -> None:
    """Work until the parent is gone."""
    clock = Clock()
    stalls = Stalls(clock.monotonic_s)
    context: Callable[[Hello], tls.Context] = lru_cache(len(Hello))(tls.context)
    tools = Tools(deadlines, limits, (), clock, context, unread, Handshakes(limits.handshakes_at_once))
    async with anyio.create_task_group() as group:
        desk = Desk(tools, stalls, group)
        desk.channel = Channel(socket.socket(fileno=os.dup(0)), desk.hear, group.cancel_scope.cancel)
        group.start_soon(stalls.watch)
        await desk.beat()


def main(settings: str) -> None:
    """Work with these settings, written as JSON by `processes.started`."""
    for number in NOT_FOR_US:
        signal.signal(number, signal.SIG_IGN)
    told = orjson.loads(settings)
    deadlines, limits = Deadlines(**told["deadlines"]), Limits(**told["limits"])
    collect_seldom()
    anyio.run(serve, deadlines, limits, backend="asyncio", backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main(sys.argv[1])
