"""Messages, and open connections, from one of our processes to another: one end of a Unix socket.

What is said within a hundredth of a second travels as one frame: four bytes that say how long it is, then a JSON array
of the messages. Descriptors travel with the first byte of the frame that speaks of them (unix(7), SCM_RIGHTS), so that
they are there, in the order of the messages, when the frame is whole.

Touches: network (a Unix socket), descriptors. Source: unix(7), recvmsg(2).
"""

import asyncio
import errno
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import orjson

HEAD = struct.Struct("!I")
GATHERS_S = 0.01
"""Fewer frames are fewer system calls here and fewer wake-ups there."""
READ_BYTES = 64 * 1024
DESCRIPTORS_OF_A_FRAME = 64
DESCRIPTORS_OF_A_READ = 253
"""The most that the kernel hands over at once."""
TOO_MANY_UNDERWAY_S = 0.05
"""The kernel counts descriptors that were sent and not yet received; beyond our limit of open files it refuses more."""


class Channel:
    """One end. `heard` gets the messages of a frame, `ended` is called once when the other end is gone; a connection
    that a message speaks of is the oldest of `descriptors`. What `heard` raises ends the channel: an end that says what
    makes no sense is broken. Make it inside the running loop.
    """

    def __init__(self, wire: socket.socket, heard: Callable[[list[Any]], None], ended: Callable[[], object]) -> None:
        self.descriptors: deque[int] = deque()
        self._wire = wire
        self._heard = heard
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._said: list[object] = []
        self._handed: list[socket.socket] = []
        self._frames: deque[tuple[memoryview, list[socket.socket]]] = deque()
        self._buffer = bytearray()
        self._is_stuck = False
        self._is_open = True
        wire.setblocking(False)  # noqa: FBT003 - its own signature
        self._loop.add_reader(wire, self._read)

    @property
    def is_waiting(self) -> bool:
        """Whether something that was said has not left yet."""
        return bool(self._frames)

    def say(self, message: object, opened: socket.socket | None = None) -> None:
        """Send it, soon. A connection is the other end's from now on and closed here."""
        if not self._is_open:
            if opened is not None:
                opened.close()
            return
        if not self._said:
            self._loop.call_later(GATHERS_S, self._pack)
        self._said.append(message)
        if opened is not None:
            self._handed.append(opened)
        if len(self._handed) == DESCRIPTORS_OF_A_FRAME:
            self._pack()

    def close(self) -> None:
        """Hang up; what has not left is dropped."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.remove_reader(self._wire)
        self._loop.remove_writer(self._wire)
        self._wire.close()
        self._drop()

    def _drop(self) -> None:
        """Close every connection that is still ours."""
        for opened in (*self._handed, *(each for _, handed in self._frames for each in handed)):
            opened.close()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self._handed.clear()
        self._said.clear()
        self._frames.clear()
        self.descriptors.clear()

    def _pack(self) -> None:
        if not self._said:
            return
        body = orjson.dumps(self._said)
        self._frames.append((memoryview(HEAD.pack(len(body)) + body), self._handed))
        self._said, self._handed = [], []
        if not self._is_stuck:
            self._send()

    def _send(self) -> None:
        """Send frames until none is left or the kernel has no room."""
        self._is_stuck = False
        while self._frames:
            try:
                self._send_some()
            except BlockingIOError:
                self._is_stuck = True
                self._loop.add_writer(self._wire, self._unstick)
                return
            except OSError as error:
                if error.errno == errno.ETOOMANYREFS:
                    self._is_stuck = True
                    self._loop.call_later(TOO_MANY_UNDERWAY_S, self._send)
                return  # whoever is gone is noticed by reading

    def _send_some(self) -> None:
        frame, handed = self._frames[0]
        if handed:
            sent = socket.send_fds(self._wire, [frame], [each.fileno() for each in handed])
            for each in handed:
                each.close()
        else:
            sent = self._wire.send(frame)
        if sent == len(frame):
            self._frames.popleft()
        else:
            self._frames[0] = (frame[sent:], [])

    def _unstick(self) -> None:
        self._loop.remove_writer(self._wire)
        self._send()

    def _read(self) -> None:
        """Take what has come. A descriptor for which we had no room would put all others in the wrong places."""
        data, flags = b"", 0
        try:
            data, descriptors, flags, _ = socket.recv_fds(self._wire, READ_BYTES, DESCRIPTORS_OF_A_READ)
            self.descriptors.extend(descriptors)
        except BlockingIOError:
            return
        except OSError:  # as the end
            pass
        if not data or flags & socket.MSG_CTRUNC:
            self._end()
            return
        self._buffer += data
        try:
            for frame in self._whole_frames():
                self._heard(orjson.loads(frame))
        except Exception:
            self._end()
            raise

    def _end(self) -> None:
        self.close()
        self._ended()

    def _whole_frames(self) -> Iterator[bytearray]:
        at, there = 0, len(self._buffer)
        while there - at >= HEAD.size:
            start = at + HEAD.size
            end = start + HEAD.unpack_from(self._buffer, at)[0]
            if end > there:
                break
            yield self._buffer[start:end]
            at = end
        del self._buffer[:at]
