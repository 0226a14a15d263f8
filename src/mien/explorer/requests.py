"""What the page asks the server for: JSON to arrays, checked before anything computes."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.explorer.manifest import ShownRun
from mien.explorer.site import FLOATS
from mien.pictures.arrays import Pictures

MOST_FACES = 64  # in one request
ROOM_FOR_WORDS = 4096  # bytes of a request besides its arrays

Floats = NDArray[np.float32]


class Refused(Exception):
    """A request that cannot be answered; the text says why, in one sentence.  status: of HTTP"""

    def __init__(self, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.status = status


def most_bytes(run: ShownRun) -> int:
    """Length of the longest request of a run that there can be: base64 takes four bytes for three."""
    generated = 4 * MOST_FACES * (run.latent_dim + len(run.attributes))
    encoded = 3 * run.image_size**2 + 4 * len(run.attributes)
    return -(-max(generated, encoded) * 4 // 3) + ROOM_FOR_WORDS


@dataclass(frozen=True)
class Request:
    """A JSON object that names a run and a snapshot that there are."""

    run: ShownRun
    snapshot: str
    content: Mapping[str, Any]


def parse(body: bytes, runs: Mapping[str, ShownRun]) -> Request:
    """A request.  Raises: Refused where it is no JSON object, or names no run and snapshot."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused("The body is not JSON.") from None
    if not isinstance(content, dict):
        raise Refused("The body is JSON, but not an object.")
    run, snapshot = content.get("run"), content.get("snapshot")
    if not isinstance(run, str) or run not in runs:
        raise Refused(f"There is no such run here. Runs: {', '.join(runs)}.", 404)
    snapshots = [known.id for known in runs[run].snapshots]
    if not isinstance(snapshot, str) or snapshot not in snapshots:
        raise Refused(f"The run has no such snapshot. Snapshots: {', '.join(snapshots)}.", 404)
    return Request(runs[run], snapshot, content)


def latents(request: Request) -> tuple[Floats, Floats | None]:
    """Latents, and attributes of a conditional model.  -> [n,Z], [n,A] or None

    Raises: Refused for another count or shape, or numbers that are not finite.
    """
    count = faces(request)
    z = floats(request.content.get("z"), "z", (count, request.run.latent_dim))
    return z, attributes(request, count)


def noise(request: Request) -> Floats:
    """Noise to carry to latents.  -> [n,Z]    Raises: as `latents`, and Refused where there is no learned prior."""
    if not request.run.prior:
        raise Refused("The model of this run has no learned prior.")
    return floats(request.content.get("noise"), "noise", (faces(request), request.run.latent_dim))


def faces(request: Request) -> int:
    """How many faces a request is about.  Raises: Refused."""
    count = request.content.get("count")
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_FACES:
        raise Refused(f"count is to be a whole number from 1 to {MOST_FACES}.")
    return count


def picture(request: Request) -> tuple[Pictures, Floats | None]:
    """A face to encode, and its attributes for a conditional model.  -> uint8 [S,S,3], [1,A] or None

    Raises: Refused for another size, or where nothing encodes.
    """
    if not request.run.encodes:
        raise Refused("The model of this run has no encoder.")
    side = request.run.image_size
    image = np.frombuffer(decoded(request.content.get("x"), "x", 3 * side**2), np.uint8).reshape(side, side, 3)
    return image, attributes(request, 1)


def attributes(request: Request, count: int) -> Floats | None:
    """Attributes of so many faces, for a conditional model.  -> [count,A] or None

    Raises: Refused for another shape, or numbers out of range.
    """
    y = request.content.get("y")
    if not request.run.attributes:
        if y is not None:
            raise Refused("y is to be null: the model of this run is not conditional.")
        return None
    values = floats(y, "y", (count, len(request.run.attributes)))
    if values.min() < 0 or values.max() > 1:
        raise Refused("y is to hold numbers from 0 (has it not) to 1 (has it).")
    return values


def floats(text: object, name: str, shape: tuple[int, int]) -> Floats:
    """An array from base64 of little-endian float32.  Raises: Refused."""
    values = np.frombuffer(decoded(text, name, 4 * shape[0] * shape[1]), FLOATS).reshape(shape).astype(np.float32)
    if not np.isfinite(values).all():
        raise Refused(f"{name} holds numbers that are not finite.")
    return values


def decoded(text: object, name: str, length: int) -> bytes:
    """So many bytes from base64.  Raises: Refused."""
    if not isinstance(text, str):
        raise Refused(f"{name} is to be a string of base64.")
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused(f"{name} is not base64.") from None
    if len(content) != length:
        raise Refused(f"{name} has {len(content):,} bytes; it is to have {length:,}.")
    return content
