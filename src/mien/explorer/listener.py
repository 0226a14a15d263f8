"""The socket that listens, and how many connections it keeps.

uvicorn waits for ever for the head of a request and for a client that reads its answer. So there are few connections at
once, and a new one takes the place of the oldest that asks nothing.
"""

import contextlib
import socket
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

MOST_CONNECTIONS = 128  # at once: fewer than the files that any system lets a process have open
STALLED_SECONDS = 30  # that a client may take nothing of its answer, where the system can be told: on Linux

Client = tuple[str, int]


class Listener(socket.socket):
    """A socket that listens and ends connections beyond so many."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.accepted: dict[Client, socket.socket] = {}
        self.answering: set[Client] = set()
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # connections inherit it
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * STALLED_SECONDS))

    def accept(self) -> tuple[socket.socket, Any]:
        """A new connection. Where there are too many, the one that asks nothing and is there for longest is ended."""
        connection, address = super().accept()
        self.accepted = {client: other for client, other in self.accepted.items() if other.fileno() >= 0}
        if len(self.accepted) >= MOST_CONNECTIONS:
            oldest = min(self.accepted, key=lambda client: client in self.answering)  # the first that is idle, if any
            with contextlib.suppress(OSError):  # its client has gone
                self.accepted.pop(oldest).shutdown(socket.SHUT_RDWR)
        self.accepted[address[:2]] = connection
        return connection, address

    def noting(self, app: ASGIApp) -> ASGIApp:
        """The same application; while it answers a client, the client's connection is not idle."""

        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            self.answering.add(scope["client"])
            try:
                await app(scope, receive, send)
            finally:
                self.answering.discard(scope["client"])

        return noted
