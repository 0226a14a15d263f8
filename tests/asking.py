"""A running explorer, and requests to it over real sockets."""

import base64
import http.client
import json
import socket
import threading
from typing import Any

import numpy as np

from mien.explorer import app
from mien.explorer.engine import Engine, Runtime
from mien.explorer.server import Server, listen
from mien.explorer.site import Site
from mien.models import MODELS
from tiny import ENCODING, has_attributes

COUNT, LATENT, ATTRIBUTES = 3, 8, 3


class Explorer:
    """A running server, and requests to it."""

    def __init__(self, site: Site, runtime: Runtime = "pytorch") -> None:
        self.site, self.engine = site, Engine(site.weights, runtime)
        self.socket = listen("127.0.0.1", 0)
        self.port = self.socket.getsockname()[1]
        started = threading.Event()
        self.server = Server(app.application(site, self.engine, "127.0.0.1"), self.socket, started.set)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))
        self.thread.start()
        assert started.wait(10)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.engine.stop()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self.server.server_state.connections)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, bytes]:
        """Status, headers and content."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def post(self, path: str, content: Any, **headers: str) -> tuple[int, Any, bytes]:
        """Send JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.ask("POST", path, body, **{"content-type": "application/json", **headers})

    def raw(self, text: bytes) -> bytes:
        """What comes back for bytes on the wire until the server hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(text)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def b64(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def drawn(run: str = ENCODING, **changes: Any) -> dict[str, Any]:
    """A request for three faces."""
    z = np.random.default_rng(0).standard_normal((COUNT, LATENT)).astype("<f4")
    y = None if run in MODELS and not has_attributes(run) else b64(np.array([[0, 1, 1]] * COUNT, "<f4"))
    return {"run": run, "snapshot": "last", "count": COUNT, "z": b64(z), "y": y} | changes


def error_of(content: bytes) -> str:
    return str(json.loads(content)["error"])
