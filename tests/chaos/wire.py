"""A TCP proxy between services and a server; it resets connections, makes them half-open or slow, or refuses them."""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

CHUNK = 65_536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: the other side gets an RST."""

Address = tuple[str, int]


@dataclass
class Wire:
    """Connections to the first of `targets` that answers, taking turns. `injected` counts what was done to them."""

    name: str
    targets: list[Address]
    port: int
    delay: float = 0.0
    """Seconds that each piece of data takes, either way."""
    refusing: bool = False
    injected: Counter[str] = field(default_factory=Counter)
    connections: set["Connection"] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    def through(self, url: str) -> str:
        """The URL with the wire in the server's place."""
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{self.port}"))

    def reset(self, connections: Sequence["Connection"] | None = None) -> int:
        """Both sides of the connections (default: all) get an RST; how many there were."""
        chosen = list(self.connections if connections is None else connections)
        for connection in chosen:
            connection.reset()
        self.injected["reset"] += len(chosen)
        return len(chosen)

    def half_open(self) -> list["Connection"]:
        """From now on neither side of the present connections hears of the other, not even of its end."""
        for connection in self.connections:
            connection.passing = False
        return list(self.connections)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            self.injected["refused"] += 1
            _reset(writer)
            return
        try:
            there = await self._reach()
        except OSError:
            self.injected["unreachable"] += 1
            _reset(writer)
            return
        connection = Connection(self, (reader, writer), there)
        self.connections.add(connection)
        try:
            await connection.pass_on()
        finally:
            self.connections.discard(connection)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in self.targets:
            target = self.targets[0]
            self.targets = [*self.targets[1:], target]
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(*target)
        raise OSError(f"no target of {self.name} answers")


@dataclass(eq=False)
class Connection:
    """A client's connection and ours to the server."""

    wire: Wire
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    passing: bool = True
    swallowed: int = 0
    """Bytes that were sent while half-open."""
    unanswered: int = 0
    """Those of the client's: it waits for something."""
    given_up: bool = False
    """Whether the client has ended it."""

    async def pass_on(self) -> None:
        ways = [
            asyncio.create_task(self._pass_up()),
            asyncio.create_task(self._pass(self.server[0], self.client[1])),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED if self.passing else asyncio.ALL_COMPLETED)
            if not self.passing:  # half-open: the other side must not hear of the end
                await asyncio.wait(ways)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for _, writer in (self.client, self.server):
                writer.close()

    async def _pass_up(self) -> None:
        await self._pass(self.client[0], self.server[1])
        self.given_up = True

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.wire.delay:
                    self.wire.injected["delayed"] += 1
                    await asyncio.sleep(self.wire.delay)
                if not self.passing:
                    self.swallowed += len(data)
                    self.unanswered += len(data) if reader is self.client[0] else 0
                    continue
                writer.write(data)
                await writer.drain()

    def reset(self) -> None:
        for _, writer in (self.client, self.server):
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    if found is not None and not writer.transport.is_closing():
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
