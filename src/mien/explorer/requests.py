"""What the page asks the server for: JSON to arrays, checked before anything computes."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.explorer.manifest import FLOATS
from mien.pictures.arrays import Pictures

MOST_FACES = 64  # in one request
ROOM_FOR_WORDS = 4096  # bytes of a request besides its arrays

Floats = NDArray[np.float32]


class Refused(Exception):
    """A request that cannot be answered; the text says why, in one sentence.  status: of HTTP"""

    def __init__(self, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True)
class Shape:
    """What a run takes.  snapshots: their ids"""

    image_size: int
    latent_dim: int
    attributes: int
    encodes: bool
    snapshots: frozenset[str]

    @property
    def most_bytes(self) -> int:
        """Length of the longest request there can be: base64 takes four bytes for three."""
        latents = 4 * MOST_FACES * (self.latent_dim + self.attributes)
        return -(-max(latents, 3 * self.image_size**2) * 4 // 3) + ROOM_FOR_WORDS


def shapes_of(content: Mapping[str, Any]) -> dict[str, Shape]:
    """What each run of an exhibit takes, by its id.  content: of exhibit.json"""
    return {
        run["id"]: Shape(
            image_size=run["image_size"],
            latent_dim=run["latent_dim"],
            attributes=len(run["attributes"]),
            encodes=run["encodes"],
            snapshots=frozenset(snapshot["id"] for snapshot in run["snapshots"]),
        )
        for run in content["runs"]
    }


@dataclass(frozen=True)
class Request:
    """A JSON object that names a run and a snapshot that there are."""

    run: str
    snapshot: str
    shape: Shape
    content: Mapping[str, Any]


def parse(body: bytes, shapes: Mapping[str, Shape]) -> Request:
    """A request.  Raises: Refused where it is no JSON object, or names no run and snapshot."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused("The body is not JSON.") from None
    if not isinstance(content, dict):
        raise Refused("The body is JSON, but not an object.")
    run, snapshot = content.get("run"), content.get("snapshot")
    if not isinstance(run, str) or run not in shapes:
        raise Refused(f"There is no such run here. Runs: {', '.join(shapes)}.", 404)
    if not isinstance(snapshot, str) or snapshot not in shapes[run].snapshots:
        raise Refused(f"The run has no such snapshot. Snapshots: {', '.join(sorted(shapes[run].snapshots))}.", 404)
    return Request(run, snapshot, shapes[run], content)


def latents(request: Request) -> tuple[Floats, Floats | None]:
    """Latents, and attributes of a conditional model.  -> [n,Z], [n,A] or None

    Raises: Refused for another count or shape, or numbers that are not finite.
    """
    count, shape = request.content.get("count"), request.shape
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_FACES:
        raise Refused(f"count is to be a whole number from 1 to {MOST_FACES}.")
    z = floats(request.content.get("z"), "z", (count, shape.latent_dim))
    if not shape.attributes:
        if request.content.get("y") is not None:
            raise Refused("y is to be null: the model of this run is not conditional.")
        return z, None
    y = floats(request.content.get("y"), "y", (count, shape.attributes))
    if y.min() < 0 or y.max() > 1:
        raise Refused("y is to hold numbers from 0 (has it not) to 1 (has it).")
    return z, y


def picture(request: Request) -> Pictures:
    """A face to encode.  -> uint8 [S,S,3]    Raises: Refused for another size, or where nothing encodes."""
    if not request.shape.encodes:
        raise Refused("The model of this run has no encoder.")
    side = request.shape.image_size
    return np.frombuffer(decoded(request.content.get("x"), "x", 3 * side**2), np.uint8).reshape(side, side, 3)


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
