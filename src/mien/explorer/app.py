"""The web application: files of the site out of memory, two questions to the engine, and who is let in."""

import asyncio
import contextlib
import hashlib
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.errors import MienError
from mien.explorer import requests
from mien.explorer.engine import Busy, Engine
from mien.explorer.site import FLOATS, REPORT_POLICY, Site

GONE = "The weights of this run cannot be read any more: they were deleted, moved or damaged since the page was made."
QUESTIONS = ("/api/generate", "/api/carry", "/api/encode")
PIECE = 2**16  # bytes of an answer that are sent at once: a client that does not read costs few of them
BODY_SECONDS = 10.0  # that the body of a request may take to arrive
MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".md": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    "": "text/plain; charset=utf-8",  # LICENSE
}
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


def application(site: Site, engine: Engine, host: str) -> Starlette:
    """The application that shows a site.  host: the address that it listens on"""
    runs = {run.id: run for run in site.manifest.runs}
    most_bytes = max(map(requests.most_bytes, runs.values()))

    async def generate(request: Request) -> Response:
        wanted = requests.parse(await body_of(request, most_bytes), runs)
        z, y = requests.latents(wanted)
        images = await asyncio.wrap_future(engine.generate(wanted.run.id, wanted.snapshot, z, y))
        return binary(images.tobytes())

    async def carry(request: Request) -> Response:
        wanted = requests.parse(await body_of(request, most_bytes), runs)
        noise = requests.noise(wanted)
        z = await asyncio.wrap_future(engine.carry(wanted.run.id, wanted.snapshot, noise))
        return binary(z.astype(FLOATS).tobytes())

    async def encode(request: Request) -> Response:
        wanted = requests.parse(await body_of(request, most_bytes), runs)
        image, y = requests.picture(wanted)
        mean = await asyncio.wrap_future(engine.encode(wanted.run.id, wanted.snapshot, image, y))
        return binary(mean.astype(FLOATS).tobytes())

    return Starlette(
        routes=[
            *(
                Route(question, answering(answer), methods=["POST"])
                for question, answer in zip(QUESTIONS, (generate, carry, encode), strict=True)
            ),
            Route("/{path:path}", files_endpoint(site.tree()), methods=["GET"]),
        ],
        middleware=[Middleware(Guard, names=names_of(host), exposed=not is_loopback(host))],
        exception_handlers={HTTPException: http_error, Exception: unexpected},
    )


def files_endpoint(tree: Mapping[str, bytes]) -> Callable[[Request], Awaitable[Response]]:
    """Serves files that are in memory: their addresses are looked up, never joined to a folder's."""
    tags = {address: f'"{hashlib.sha256(content).hexdigest()[:32]}"' for address, content in tree.items()}

    async def file(request: Request) -> Response:
        address = request.path_params["path"] or "index.html"
        if f"/{address}" in QUESTIONS:
            return refusal(405, "This is a question to be asked with POST.", {"allow": "POST"})
        if address not in tree:
            return refusal(404, "There is no such file here.")
        headers = {"etag": tags[address], "cache-control": "no-cache"}
        media = MEDIA.get(PurePosixPath(address).suffix, "application/octet-stream")
        if media in (MEDIA[".html"], MEDIA[".js"]):  # a script may be that of a worker, which has its own policy
            ours = address == "index.html" or media == MEDIA[".js"]
            headers["content-security-policy"] = PAGE_POLICY if ours else f"{REPORT_POLICY}; frame-ancestors 'none'"
        if tags[address] in request.headers.get("if-none-match", ""):  # its headers replace those that a browser kept
            return Response(status_code=304, headers=headers)
        return Response(tree[address], media_type=media, headers=headers)

    return file


def answering(
    endpoint: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint whose refusals become JSON."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except requests.Refused as error:
            return refusal(error.status, str(error))
        except (MienError, OSError):  # its words name a path, which is nobody's business over a network
            return refusal(410, GONE)
        except Busy:
            words = "The explorer is busy: too many requests wait already. Ask again in a second."
            return refusal(503, words, {"retry-after": "1"})

    return answer


async def body_of(request: Request, most_bytes: int) -> bytes:
    """The JSON body of a request.  Raises: asked.Refused where it is none, too long, or too slow."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise requests.Refused("The body is to be JSON, with content-type application/json.", 415)
    too_long = requests.Refused(f"The body is longer than {most_bytes:,} bytes.", 413)
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > most_bytes:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > most_bytes:
                    raise too_long
    except TimeoutError:
        raise requests.Refused(f"The body took longer than {BODY_SECONDS:g} seconds to arrive.", 408) from None
    except ClientDisconnect:
        raise requests.Refused("The connection was closed before the body had arrived.") from None
    return bytes(body)


def binary(content: bytes) -> Response:
    """An answer of the engine."""
    return Response(content, media_type="application/octet-stream", headers={"cache-control": "no-store"})


def refusal(status: int, words: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as JSON. The connection is closed, as the rest of a body may still be on its way."""
    more = {"cache-control": "no-store", "connection": "close"} | dict(headers or {})
    return JSONResponse({"error": words}, status, headers=more)


def http_error(request: Request, error: Exception) -> Response:
    """What Starlette refuses by itself, such as another method."""
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, f"{error.detail}.", error.headers)


def unexpected(request: Request, error: Exception) -> Response:
    """A mistake of ours; the server's log has its traceback."""
    return refusal(500, "Something went wrong here; the terminal that the explorer runs in says what.")


class Guard:
    """Lets in who means this server, and adds the headers that every answer has.

    The Host has to be one of ours, since a page of a name that its owner points to this machine could read everything
    (DNS rebinding). A POST has to come from our own page, or from no page at all.

    names: that the machine is known by.    exposed: whether other machines reach it, by whatever number.
    """

    def __init__(self, app: ASGIApp, names: frozenset[str], exposed: bool) -> None:
        self.app, self.names, self.exposed = app, names, exposed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("content-security-policy", "default-src 'none'; frame-ancestors 'none'")
            body = message.get("body", b"")
            ends = range(PIECE, len(body), PIECE)
            for end in ends:
                await send({**message, "body": body[end - PIECE : end], "more_body": True})
            await send({**message, "body": body[ends[-1] :]} if ends else message)

        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy before us may have gone by the other one, and would take the rest for a request of its own.
            answer: ASGIApp = refusal(400, "The request has a Content-Length and a Transfer-Encoding.")
        else:
            why = self.why_not(scope["method"], headers)
            answer = refusal(403, why) if why else self.app
        await answer(scope, receive, send_with_headers)

    def why_not(self, method: str, headers: Headers) -> str:
        """Why a request is not let in; '' where it is."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self.is_ours(host):
            return "The Host of the request is not one of this server. Open the address that `mien explore` printed."
        if method in ("GET", "HEAD"):
            return ""
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return "The request comes from another page: its Origin is not this server."
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return "The request comes from another page: its Sec-Fetch-Site is not same-origin."
        return ""

    def is_ours(self, host: str) -> bool:
        """Whether a Host header means this server; its port is not looked at, as it may be forwarded."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        return name in self.names or is_loopback(name) or (self.exposed and is_number(name))


def names_of(host: str) -> frozenset[str]:
    """What a server that listens on an address may be called by name."""
    names = {"localhost", host}
    if not is_loopback(host):
        short = socket.gethostname().partition(".")[0]
        names |= {socket.gethostname(), socket.getfqdn(), short, f"{short}.local"}  # .local: what mDNS calls it
    return frozenset(name.lower() for name in names if name)


def is_number(name: str) -> bool:
    """Whether a host is an IP address, which no domain's owner can point elsewhere."""
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return False


def is_loopback(name: str) -> bool:
    """Whether only this machine reaches a host."""
    return name == "localhost" or (is_number(name) and ipaddress.ip_address(name).is_loopback)
