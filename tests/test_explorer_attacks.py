"""Attacks on the explorer's server, over real sockets: the list of docs/reliability.md, one test or more for each."""

import contextlib
import gzip
import json
import logging
import random
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from asking import Explorer, drawn, error_of
from mien.explorer import app, listener
from mien.explorer.site import open_site
from mien.runs.folder import Run
from tiny import ADVERSARIAL, ENCODING

RunOf = Callable[[str], Run]
HEAD = b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SECRET = "only for whoever owns this machine"


class Errors(logging.Handler):
    """What the server would print: it prints nothing unless something went wrong that we did not think of."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


@pytest.fixture(scope="module")
def explorer(trained_runs: dict[str, Run]) -> Iterator[Explorer]:
    explorer = Explorer(open_site([run.path for run in trained_runs.values()]))
    yield explorer
    explorer.stop()


@pytest.fixture(autouse=True)
def nothing_goes_wrong(explorer: Explorer) -> Iterator[None]:
    """After every attack the server has reported no error of its own, and still draws faces."""
    errors, logger = Errors(), logging.getLogger("uvicorn.error")
    logger.addHandler(errors)
    yield
    logger.removeHandler(errors)
    assert not errors.said
    assert explorer.post("/api/generate", drawn())[0] == 200


def until(condition: Callable[[], bool], seconds: float = 5) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def ended(client: socket.socket) -> bool:
    """Whether the server hangs up on a client that waits for it."""
    with contextlib.suppress(ConnectionError):
        while client.recv(65536):
            pass
    return True


def drips(client: socket.socket, drop: bytes) -> bool:
    """Send a little.  -> whether the server is still there"""
    try:
        client.sendall(drop)
    except ConnectionError:
        return False
    return True


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


# Path traversal


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/%252e%252e%252f%252e%252e%252fetc/passwd",
        "/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
        "/..\\..\\..\\windows\\win.ini",
        "/..%5c..%5c..%5cwindows%5cwin.ini",
        "/C:/Windows/win.ini",
        "/C%3A%5CWindows%5Cwin.ini",
        "//server/share/file",
        "//etc/passwd",
        "/file:///etc/passwd",
        "http://localhost/../../etc/passwd",
        "/index.html%00.json",
        "/%00",
        "/index.html/../../recipe.toml",
        "/index.html::$DATA",
        "/INDEX.HTML",
        "/./recipe.toml",
        f"/runs/{ENCODING}/weights.safetensors",
        "/app/",
        "/%ff%fe",
        "/" + "../" * 5000 + "etc/passwd",
    ],
)
def test_a_path_that_leaves_the_site_finds_nothing(explorer: Explorer, path: str) -> None:
    answer = explorer.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode("latin-1"))
    assert status(answer) in (400, 404)
    assert b"root:" not in answer


def test_a_link_in_a_run_shows_no_file_from_outside_it(run_of: RunOf, tmp_path: Path) -> None:
    run = run_of(ADVERSARIAL)
    (tmp_path / "secret.html").write_text(SECRET)
    (run.path / "report").mkdir()
    (run.path / "report" / "report.html").symlink_to(tmp_path / "secret.html")
    first = next(iter(run.samples.glob("*.png")))
    first.rename(tmp_path / "picture.png")
    first.symlink_to(tmp_path / "picture.png")
    site = open_site([run.path])
    assert site.manifest.runs[0].report is None
    assert not [film for film in site.manifest.runs[0].film if first.stem in film.file]
    assert not [content for content in site.tree().values() if SECRET.encode() in content]


# Other pages: DNS rebinding and cross-origin requests


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:6436",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "127.0.0.1@evil.example:80",
        "127.0.0.1, evil.example",
        "10.0.0.1",
        "[fe80::1]",
        "[::1",
        "0x7f000001",
        "localhost.",
        "",
    ],
)
def test_a_name_that_its_owner_can_point_here_is_refused(explorer: Explorer, host: str) -> None:
    for method, path in (("GET", "/exhibit.json"), ("HEAD", "/"), ("POST", "/api/generate")):
        assert explorer.ask(method, path, host=host)[0] == 403


@pytest.mark.parametrize("lines", [b"", b"Host: localhost\r\nHost: evil.example\r\n"])
def test_no_host_or_two_are_refused(explorer: Explorer, lines: bytes) -> None:
    assert status(explorer.raw(b"GET / HTTP/1.1\r\n" + lines + b"\r\n")) == 400
    assert status(explorer.raw(b"GET / HTTP/1.0\r\n" + lines + b"\r\n")) in (400, 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "https://127.0.0.1:1"},
        {"origin": "null"},
        {"origin": "file://"},
        {"origin": ""},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
    ],
)
def test_another_page_cannot_have_faces_drawn(explorer: Explorer, headers: dict[str, str]) -> None:
    assert explorer.post("/api/generate", drawn(), **headers)[0] == 403


def test_another_page_cannot_read_or_frame_ours(explorer: Explorer) -> None:
    for path in ("/", "/exhibit.json", "/nothing"):
        headers = explorer.ask("GET", path, origin="http://evil.example", sec_fetch_site="cross-site")[1]
        assert not [name for name in headers if name.lower().startswith("access-control-")]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
    preflight = {"origin": "http://evil.example", "access_control_request_method": "POST"}
    assert explorer.ask("OPTIONS", "/api/generate", **preflight)[0] in (403, 405)


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded", ""])
def test_what_a_form_can_send_is_refused(explorer: Explorer, kind: str) -> None:
    assert explorer.ask("POST", "/api/generate", json.dumps(drawn()), **{"content-type": kind})[0] == 415


# Too much


@pytest.mark.parametrize(
    "length", [b"99999999999999999999999", b"1000000000", b"-1", b"+5", b"0x10", b"1e3", b"5, 5000", b""]
)
def test_a_length_that_is_too_much_or_no_number_is_refused_unread(explorer: Explorer, length: bytes) -> None:
    assert status(explorer.raw(HEAD + b"Content-Length: " + length + b"\r\n\r\n")) in (400, 413)


def test_an_endless_body_in_chunks_is_cut_off(explorer: Explorer) -> None:
    with socket.create_connection(("127.0.0.1", explorer.port), timeout=10) as client:
        client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(2000):  # 20 MB; the server hangs up long before
                client.sendall(b"2710\r\n" + b" " * 10_000 + b"\r\n")
            pytest.fail("the server took it all")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 200_000 + b"\r\n",
    ],
)
def test_a_head_that_is_too_long_is_refused(explorer: Explorer, head: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        assert status(explorer.raw(head)) in (400, 431)


def test_a_body_that_is_packed_is_not_unpacked(explorer: Explorer) -> None:
    bomb = gzip.compress(b" " * 20_000_000)[:1500]
    assert explorer.post("/api/generate", bomb, content_encoding="gzip")[0] == 400


# Too slow


def test_a_body_that_stops_or_drips_is_given_up(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", explorer.port), timeout=10) as client:
        client.sendall(HEAD + b"Content-Length: 9\r\n\r\n{")
        assert ended(client)
    with socket.create_connection(("127.0.0.1", explorer.port), timeout=10) as client:
        client.sendall(HEAD + b"Content-Length: 900\r\n\r\n")
        assert until(lambda: not drips(client, b" "))


@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_head_that_never_ends_holds_a_connection_until_others_want_it(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """SECURITY.md says so: nothing but the number of connections bounds how long a head may take."""
    monkeypatch.setattr(listener, "MOST_CONNECTIONS", 4)
    with socket.create_connection(("127.0.0.1", explorer.port), timeout=10) as client, contextlib.ExitStack() as held:
        client.sendall(sent)
        assert until(lambda: explorer.connections == 1)
        for _ in range(4):
            assert explorer.post("/api/generate", drawn())[0] == 200
            held.enter_context(socket.create_connection(("127.0.0.1", explorer.port), timeout=10))
        assert ended(client)


def not_reading(explorer: Explorer) -> socket.socket:
    """A client that asks for a large file twenty times and reads nothing."""
    tree = explorer.site.tree()
    large = max(tree, key=lambda address: len(tree[address]))
    client = socket.create_connection(("127.0.0.1", explorer.port), timeout=10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sendall(f"GET /{large} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * 20)
    return client


def test_a_client_that_does_not_read_its_answer_costs_little_memory_and_goes_when_others_come(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MOST_CONNECTIONS", 4)
    with contextlib.ExitStack() as held:
        clients = [held.enter_context(not_reading(explorer)) for _ in range(4)]
        assert until(lambda: explorer.connections == len(clients))
        assert until(lambda: len(explorer.socket.answering) == len(clients))
        waiting = [each.transport.get_write_buffer_size() for each in explorer.server.server_state.connections]
        assert 0 < max(waiting) < 4 * app.PIECE
        assert explorer.post("/api/generate", drawn())[0] == 200
        assert until(lambda: explorer.connections < 4)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux ends a connection that is not read")
def test_a_client_that_does_not_read_its_answer_is_hung_up_on(
    trained_runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "STALLED_SECONDS", 0.5)
    explorer = Explorer(open_site([trained_runs[ADVERSARIAL].path]))
    with not_reading(explorer):
        assert until(lambda: explorer.connections == 1)
        assert until(lambda: explorer.connections == 0, 20)
    explorer.stop()


# Malformed requests

RUN = json.dumps({"run": ENCODING})[1:-1].encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{" + RUN,
        b'{"run": "\xff"}',
        b'{"run": "\\ud800", "snapshot": "last"}',
        b"{" + RUN + b', "run": ["x"]}',
        b"\xef\xbb\xbf{" + RUN + b"}",
        json.dumps({"run": ENCODING}).encode("utf-16"),
        b"{" + RUN + b', "snapshot": "last", "count": 1e999}',
        b"{" + RUN + b', "snapshot": "last", "count": NaN}',
        b"{" + RUN + b', "snapshot": "last", "count": -9999999999999999999}',
        b'{"run": "__proto__", "snapshot": "constructor"}',
        json.dumps({"run": f"../{ENCODING}", "snapshot": "last"}).encode(),
        b"{" + RUN + b', "snapshot": "last", "count": 1, "z": {"a": []}}',
        b"[" * 4000,
        b'{"a":' * 1000,
        b"[" * 2000 + b"]" * 2000,
        b"9" * 5000,
        b'{"count": ' + b"9" * 4400 + b"}",
        b"/*" * 2000,
    ],
)
def test_malformed_and_deeply_nested_json_is_refused_in_a_sentence(explorer: Explorer, body: bytes) -> None:
    for path in ("/api/generate", "/api/encode"):
        found, _, answer = explorer.post(path, body)
        assert found in (400, 404)
        assert error_of(answer).endswith(".")


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=40),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = ("run", "snapshot", "count", "z", "y", "x")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    changes=some.dictionaries(some.sampled_from(NAMES), json_values, min_size=1),
    path=some.sampled_from(["generate", "encode"]),
)
def test_whatever_json_is_asked_the_answer_is_faces_or_a_sentence(explorer: Explorer, changes: Any, path: str) -> None:
    found, _, answer = explorer.post(f"/api/{path}", drawn() | changes)
    assert found in (200, 400, 404, 413)
    assert found == 200 or error_of(answer).endswith(".")


def test_random_bytes_are_refused_or_hung_up_on(explorer: Explorer) -> None:
    some_bytes = random.Random(0)
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", explorer.port), timeout=10) as client:
            client.sendall(
                some_bytes.choice((b"", HEAD)) + some_bytes.randbytes(some_bytes.randint(1, 300)) + b"\r\n\r\n"
            )
            client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                assert status(client.recv(65536)) in (0, 400, 403, 404, 405, 413)


# Headers and smuggling


@pytest.mark.parametrize(
    "path",
    [
        "/%0d%0aSet-Cookie:%20a=b",
        "/exhibit.json%0d%0a%0d%0a<script>",
        "/?x=%0d%0aSet-Cookie:%20a=b",
        "/\u010d\u010aSet-Cookie:a=b",
    ],
)
def test_nothing_of_a_path_comes_back_in_a_header(explorer: Explorer, path: str) -> None:
    answer = explorer.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert b"set-cookie" not in answer.lower()
    assert b"<script>" not in answer


@pytest.mark.parametrize(
    "lines",
    [
        b"If-None-Match: a\x00b\r\n",
        b"If-None-Match: a\rSet-Cookie: a=b\r\n",
        b"If-None-Match : a\r\n",
        b"Host\r\n",
        b": nameless\r\n",
        b"\xff\xfe: x\r\n",
    ],
)
def test_a_header_that_is_malformed_is_refused(explorer: Explorer, lines: bytes) -> None:
    answer = explorer.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + lines + b"\r\n")
    assert status(answer) == 400


SMUGGLED = b"GET /exhibit.json HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 50\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFFFFFF\r\n\r\n",
    ],
)
def test_of_a_request_of_unclear_length_nothing_after_it_is_answered(explorer: Explorer, framing: bytes) -> None:
    answer = explorer.raw(HEAD + framing + SMUGGLED)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert status(answer) in (400, 413, 501)


def test_an_upgrade_or_a_tunnel_is_not_given(explorer: Explorer) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAA\r\nSec-WebSocket-Version: 13\r\n"
    assert status(explorer.raw(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n" + upgrade + b"\r\n")) == 404
    assert status(explorer.raw(b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n")) in (400, 404, 405)
    assert status(explorer.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) in (400, 403)


def test_a_question_that_is_not_posted_is_refused_with_what_is_allowed(explorer: Explorer) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        found, headers, _ = explorer.ask(method, "/api/generate")
        assert (found, headers["allow"]) == (405, "POST")


# Many


def test_thousands_of_requests_leave_nothing_behind(explorer: Explorer) -> None:
    request = b"GET /icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert explorer.raw(request * 1999 + last).count(b"HTTP/1.1 200") == 2000  # all sent before one is answered
    for _ in range(300):
        assert explorer.ask("GET", "/icon.svg")[0] == 200
    assert until(lambda: explorer.connections == 0)
    assert not explorer.server.server_state.tasks


def test_many_at_once_are_answered_or_told_to_come_again(explorer: Explorer) -> None:
    with ThreadPoolExecutor(32) as clients:
        found = list(clients.map(lambda _: explorer.post("/api/generate", drawn())[0], range(200)))
    assert set(found) <= {200, 503}
    assert 200 in found


def test_connections_that_are_held_open_keep_nobody_out(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MOST_CONNECTIONS", 16)
    with contextlib.ExitStack() as held:
        for _ in range(100):
            held.enter_context(socket.create_connection(("127.0.0.1", explorer.port), timeout=10))
        assert explorer.post("/api/generate", drawn())[0] == 200
        assert until(lambda: explorer.connections <= 16)


def test_connections_that_wait_for_an_answer_are_not_ended_for_others(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MOST_CONNECTIONS", 4)
    go_on = threading.Event()
    explorer.engine.submit(go_on.wait)
    with ThreadPoolExecutor(1) as client, contextlib.ExitStack() as held:
        asked = client.submit(explorer.post, "/api/generate", drawn())
        assert until(lambda: len(explorer.socket.answering) == 1)
        for _ in range(20):
            held.enter_context(socket.create_connection(("127.0.0.1", explorer.port), timeout=10))
        go_on.set()
        assert asked.result()[0] == 200


# Runs that change while they are shown


@pytest.mark.parametrize("spoil", ["deleted", "damaged"])
def test_weights_that_are_gone_are_said_in_a_sentence(run_of: RunOf, spoil: str) -> None:
    run = run_of(ADVERSARIAL)
    explorer = Explorer(open_site([run.path]))
    if spoil == "deleted":
        shutil.rmtree(run.path)
    else:
        run.weights.write_bytes(b"no weights")
    found, _, answer = explorer.post("/api/generate", drawn(ADVERSARIAL))
    explorer.stop()
    assert (found, "cannot be read any more" in error_of(answer)) == (410, True)
    assert str(run.path) not in error_of(answer)
