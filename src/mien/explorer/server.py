"""The explorer's server: on this machine alone unless told otherwise, until it is stopped."""

import contextlib
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from mien.errors import MienError
from mien.explorer.app import application, is_loopback
from mien.explorer.engine import Engine, Runtime
from mien.explorer.listener import MOST_CONNECTIONS, Listener
from mien.explorer.site import Site

LOOPBACK = "127.0.0.1"
ANYWHERE = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}  # all interfaces, and an address out there (RFC 5737, 3849)
USUAL_PORT = 6436  # MIEN on a telephone; the same each time where it is free, so that bookmarks go on working
LARGEST_PORT = 65535
LONGEST_HEAD = 16 * 2**10  # bytes of the head of a request
SECONDS_TO_STOP = 2  # that requests have to end in


def serve(
    site: Site,
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    browser: bool = True,
    runtime: Runtime = "pytorch",
    say: Callable[[str], None] = print,
) -> None:
    """Show a site until Ctrl-C or SIGTERM.

    port: None: the usual one, or any free one where it is taken; 0: any free one.
    browser: whether to open one, where there is a screen.    runtime: what computes, see `Engine`.
    say: where the address goes.

    Raises: MienError where nothing can listen there, or the runtime is not installed.
    """
    engine = Engine(site.weights, runtime)
    listener = listen(host, port)
    engine.warm_up()
    address = address_of(listener, host)
    if not is_loopback(host):
        say(
            f"{host}: everybody who reaches this machine over the network can see these runs, the faces they were "
            "tested on among them, and have it compute. There is no password. Without --host only this machine can."
        )

    def ready() -> None:
        elsewhere = address_elsewhere(listener, host)
        say(f"exploring at {address}{f', from elsewhere at {elsewhere}' if elsewhere else ''}    Ctrl-C stops")
        if browser and has_screen():
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        Server(application(site, engine, host), listener, ready).run(sockets=[listener])
    except KeyboardInterrupt:
        say("stopped")
    finally:
        signal.signal(signal.SIGTERM, before)
        engine.stop()
        listener.close()


class Server(uvicorn.Server):
    """A server that says when it listens.  ready: called once"""

    def __init__(self, app: ASGIApp, listener: Listener, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            listener.noting(app),
            http="h11",  # which reads strictly
            loop="asyncio",  # which asks the listener for each connection
            backlog=MOST_CONNECTIONS // 2,  # that many are accepted before one that is ended is closed
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=LONGEST_HEAD,
            timeout_graceful_shutdown=SECONDS_TO_STOP,
        )
        super().__init__(config)
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self.ready()


def listen(host: str, port: int | None) -> Listener:
    """A socket that listens.  Raises: MienError where it cannot."""
    if port is not None and not 0 <= port <= LARGEST_PORT:
        raise MienError(
            f"--port {port}: a port is a number from 0 to {LARGEST_PORT}. Leave it out for any that is free."
        )
    if port is None:
        with contextlib.suppress(MienError):
            return listen(host, USUAL_PORT)
        return listen(host, 0)
    listener = None
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = Listener(family, kind, protocol)
        if os.name == "posix":  # elsewhere it would let two servers have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
    except (OSError, OverflowError) as error:
        if listener:
            listener.close()
        raise MienError(
            f"--host {host} --port {port}: cannot listen there ({error}). Leave --port out for any that is free, and "
            "--host out for this machine alone."
        ) from error
    return listener


def address_of(listener: socket.socket, host: str) -> str:
    """Where a browser on this machine finds it."""
    name = {"0.0.0.0": LOOPBACK, "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{listener.getsockname()[1]}/"


def address_elsewhere(listener: socket.socket, host: str) -> str:
    """Where a browser on another machine finds it; '' where none does, or at the address that was asked for."""
    if host not in ANYWHERE:
        return ""
    try:
        with socket.socket(listener.family, socket.SOCK_DGRAM) as way:
            way.connect((ANYWHERE[host], 9))  # sends nothing: it only chooses the way out
            name = way.getsockname()[0]
    except OSError:  # no way out
        name = socket.gethostname()
    return f"http://{f'[{name}]' if ':' in name else name}:{listener.getsockname()[1]}/"


def has_screen() -> bool:
    """Whether a browser would have a window; a text browser in this terminal is not wanted."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
