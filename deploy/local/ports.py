"""Free TCP ports on 127.0.0.1, below the range from which the kernel takes the ports of outgoing connections.

A port of that range could be taken by anybody's client while our server is down for a moment, and then be lost to it.
"""

import random
import socket
from collections.abc import Iterator

RANGE = range(20_100, 30_000)


def free_ports(count: int) -> list[int]:
    """`count` different ports that a server could listen on now. Raises RuntimeError when there are not so many."""
    ports = [port for port, _ in zip(candidates(), range(count), strict=False)]
    if len(ports) < count:
        raise RuntimeError(f"fewer than {count} free ports between {RANGE.start} and {RANGE.stop}")
    return ports


def candidates() -> Iterator[int]:
    return (port for port in random.sample(RANGE, len(RANGE)) if is_free(port))


def is_free(port: int) -> bool:
    """Whether a server could listen on it; connections of an earlier server that are still closing do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
