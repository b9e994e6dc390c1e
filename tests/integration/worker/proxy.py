"""A TCP proxy between a worker and a server: away until it listens, and able to hold back what the server says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from deploy.local.ports import free_ports

CHUNK = 65_536


@dataclass
class Proxy:
    """Connections made while it is `stalled` or before never hear from the server again; new ones are as usual."""

    host: str
    port: int
    listening: int = field(default_factory=lambda: free_ports(1)[0])
    connections: list["Connection"] = field(default_factory=list)
    refused: int = 0
    """Connections that were turned away."""
    _away: bool = False
    _server: asyncio.Server | None = None

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.listening)

    def stall(self) -> None:
        """What the server says on the connections of now is kept back; what the client says still arrives."""
        for connection in self.connections:
            connection.heard.clear()

    def cut(self) -> None:
        for connection in self.connections:
            connection.abort()

    def leave(self) -> None:
        """Cuts all, and turns away whoever comes, until `come_back`."""
        self._away = True
        self.cut()

    def come_back(self) -> None:
        self._away = False

    def through(self, url: str) -> str:
        """The URL with the proxy in the server's place."""
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{self.listening}"))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._away:
            self.refused += 1
            writer.transport.abort()
            return
        there = await asyncio.open_connection(self.host, self.port)
        connection = Connection(reader, writer, *there)
        self.connections.append(connection)
        try:
            await connection.pass_on()
        finally:
            self.connections.remove(connection)

    async def close(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()


class Connection:
    """One client's connection and ours to the server. It ends when the client ends it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there_reader: asyncio.StreamReader,
        there_writer: asyncio.StreamWriter,
    ) -> None:
        self._up = (reader, there_writer)
        self._down = (there_reader, writer)
        self.heard = asyncio.Event()
        self.heard.set()
        self.held_back = 0
        """Bytes that the server said and the client did not hear."""

    async def pass_on(self) -> None:
        down = asyncio.create_task(self._pass(*self._down, heard=self.heard))
        with contextlib.suppress(OSError):
            await self._pass(*self._up)
        self.abort()
        down.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await down

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: asyncio.Event | None = None
    ) -> None:
        while data := await reader.read(CHUNK):
            if heard is not None and not heard.is_set():
                self.held_back += len(data)
                await heard.wait()
            writer.write(data)
            await writer.drain()
        if heard is not None and heard.is_set():
            writer.close()

    def abort(self) -> None:
        for _, writer in (self._up, self._down):
            writer.transport.abort()


@asynccontextmanager
async def proxied(url: str, *, away: bool = False) -> AsyncIterator[Proxy]:
    """A proxy to the server of the URL; with `away` nobody listens until `listen()` is called."""
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 5672)
    if not away:
        await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()
