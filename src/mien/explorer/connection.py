"""A connection to the explorer's server, and how long its client may take."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

LOOK_SECONDS = 1.0  # from one look at a connection to the next
HEAD_SECONDS = 10.0  # that the head of a request may take, from connecting or from the answer before
STALLED_SECONDS = 30.0  # that a client may take nothing of its answer
MOST_CONNECTIONS = 128  # at once: fewer than the files that any system lets a process have open


class Connection(H11Protocol):
    """HTTP/1.1 by h11, as uvicorn speaks it; uvicorn by itself waits for ever for a head and for a client that reads.

    Where there are too many, the one goes that has asked nothing for longest.
    """

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.idle_since = self.taken_since = self.loop.time()
        self.left_to_send = 0  # bytes
        self.next_look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        there = [other for other in self.connections if not other.transport.is_closing()]
        if len(there) > MOST_CONNECTIONS:
            idle = [other for other in there if isinstance(other, Connection) and other.is_idle]  # this one is, too
            min(idle, key=lambda other: other.idle_since).transport.abort()
        self.look()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def look(self) -> None:
        """End a connection whose client takes too long; then look again later."""
        now, left = self.loop.time(), self.transport.get_write_buffer_size()
        if left == 0 or left != self.left_to_send:
            self.taken_since, self.left_to_send = now, left
        late = self.is_idle and not left and now - self.idle_since > HEAD_SECONDS
        if late or now - self.taken_since > STALLED_SECONDS:
            self.transport.abort()
            return
        self.next_look = self.loop.call_later(LOOK_SECONDS, self.look)

    def on_response_complete(self) -> None:
        """An answer is on its way, and the next request may come."""
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or was ended."""
        if self.next_look:
            self.next_look.cancel()
        super().connection_lost(exc)
