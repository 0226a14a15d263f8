"""How a drawn face is painted: flat shapes with exact edges, back to front, many faces at once.

A shape is a formula that says how many pixels a point lies inside it; half a pixel either side of zero is the
antialiasing, so every size is drawn, not resized. Arrays carry the faces on their LAST axis: the inner loops of numpy
then run over faces, contiguous and of one length, which is what lets one core draw thousands a second.
Only arithmetic whose rounding IEEE 754 fixes (+ - * / sqrt) touches a pixel, so a face does not depend on its chunk.

Coordinates: x to the right, y down, 0 in the middle of the frame and REACH at its edges; lengths and stroke widths
in the same unit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]  # float32 throughout
Number = Floats | float
Color = tuple[Number, Number, Number]  # sRGB 0..255, one for all faces or [N]
Stops = tuple[tuple[int, int, int], ...]

REACH = 0.93  # coordinate of the frame's edges: what zooms the whole portrait
NECK = 0.85  # y of the point around which the head rolls


def between(low: Number, high: Number, share: Number) -> Floats:
    """The point this share of the way from low to high."""
    return np.asarray(low + (high - low) * share, np.float32)


def mix(one: Color, other: Color, share: Number) -> Color:
    """The colour this share of the way from one to the other."""
    red, green, blue = (between(a, b, share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def tint(color: Color, by: Color) -> Color:
    """The colour with each channel multiplied, white at most."""
    red, green, blue = (np.asarray(np.minimum(a * b, 255), np.float32) for a, b in zip(color, by, strict=True))
    return red, green, blue


def ramp(stops: Stops, position: Floats, *, wheel: bool = False) -> Color:
    """The colour at a position in 0..1 along the stops, whose end joins its beginning on a wheel."""
    table = np.asarray(stops + stops[:1] if wheel else stops, np.float32)
    place = position * (len(table) - 1)
    low = np.minimum(place.astype(np.int64), len(table) - 2)
    share = place - low.astype(np.float32)
    red, green, blue = (table[low] + (table[low + 1] - table[low]) * share[:, None]).T
    return red, green, blue


@dataclass(frozen=True)
class Patch:
    """A box of pixels around a shape, and the shape's own coordinates there.

    u, v: [h,w,N], -1..1 over the half-axes.    x_pixels, y_pixels: length of the half-axes.
    """

    box: tuple[slice, slice]
    u: Floats
    v: Floats
    x_pixels: Number
    y_pixels: Number

    def oval(self, u: Floats | None = None, v_square: Floats | None = None) -> Floats:
        """Pixels inside the ellipse that fills the patch, or one bent: of another u, or another square of v."""
        u = self.u if u is None else u
        v_square = self.v * self.v if v_square is None else v_square
        edge: Floats = (1 - u * u - v_square) * (0.5 * np.sqrt(self.x_pixels * self.y_pixels))
        return edge

    def lens(self, top: Number, bottom: Number, bend: Number = 0.0) -> Floats:
        """Pixels inside what two parabolas enclose that meet at u = -1 and 1 and pass v = top and bottom at u = 0.

        `bend` lowers the middle by so much against the ends.
        """
        arch = 1 - self.u * self.u
        edge = np.minimum(arch * (bottom + bend) - self.v, self.v - arch * (top + bend)) * self.y_pixels
        return np.minimum(edge, arch * (self.x_pixels / 2))  # without it antialiasing draws the tips out

    def crescent(self, left: float, right: float) -> Floats:
        """Pixels inside what two upright parabolas enclose that meet at v = -1 and 1 and pass u = left and right."""
        arch = 1 - self.v * self.v
        edge = np.minimum(arch * right - self.u, self.u - arch * left) * self.x_pixels
        return np.minimum(edge, arch * (self.y_pixels / 2))


def cover(*edges: Floats) -> Floats:
    """How much of each pixel lies inside all these shapes, 0..1."""
    inside = edges[0] + 0.5
    for edge in edges[1:]:
        np.minimum(inside, edge + 0.5, out=inside)
    return np.clip(inside, 0, 1, out=inside)


def wave(place: Floats) -> Floats:
    """Round bumps of height 1 on the integers, with sharp dips of 0 between them."""
    off = place - np.rint(place)
    return 1 - off * off * 4


class Frame:
    """Coordinates over the picture: upright, or rolled with the head."""

    def __init__(self, size: int, sine: Floats) -> None:
        self.size, self.sine = size, sine
        self.pixels = size / (2 * REACH)  # in a unit of length
        self.cosine = np.sqrt(1 - sine * sine)
        centers = ((np.arange(size) + 0.5) / self.pixels - REACH).astype(np.float32)
        x, y = centers[None, :, None], centers[:, None, None] - NECK
        self.x = x * self.cosine + y * sine
        self.y = y * self.cosine - x * sine + NECK

    def patch(
        self,
        x: Number,
        y: Number,
        width: Number,
        height: Number,
        *,
        margin: float = 0.0,
        slant: float = 0.0,
        until: float = np.inf,
    ) -> Patch:
        """The box around (x, y) with these half-axes and a margin, wide enough for every face in the chunk.

        `slant` is how far the shape's right end lies lower than its middle, in half-axes. Nothing below `until` is
        wanted.
        """
        turn = np.abs(self.sine)
        down = y - NECK
        middle_x, middle_y = x * self.cosine - down * self.sine, x * self.sine + down * self.cosine + NECK
        reach_x = width * self.cosine + height * turn + (margin + 1 / self.pixels)
        reach_y = height * (1 + abs(slant)) * self.cosine + width * turn + (margin + 1 / self.pixels)
        lowest = np.minimum(middle_y + reach_y, until + (np.abs(x) + width) * turn + 1 / self.pixels)
        box = (self._span(middle_y - reach_y, lowest), self._span(middle_x - reach_x, middle_x + reach_x))
        u, v = (self.x[box] - x) * (1 / width), (self.y[box] - y) * (1 / height)
        return Patch(box, u, v - slant * u if slant else v, width * self.pixels, height * self.pixels)

    def _span(self, low_edge: Floats, high_edge: Floats) -> slice:
        """The pixels between two edges, for any face."""
        low = int(np.floor((float(np.min(low_edge)) + REACH) * self.pixels))
        high = int(np.ceil((float(np.max(high_edge)) + REACH) * self.pixels))
        return slice(min(max(low, 0), self.size - 1), min(max(high, 1), self.size))


class Canvas:
    """The picture so far, of every face of the chunk: three planes [S,S,N], sRGB 0..255."""

    def __init__(self, size: int, sine: Floats) -> None:
        self.planes = np.empty((3, size, size, len(sine)), np.float32)
        self.head = Frame(size, sine)
        self.pixels = self.head.pixels  # in a unit of length
        self.body = Frame(size, np.zeros(1, np.float32))

    def lay(self, patch: Patch, coverage: Floats, color: Color) -> None:
        """Lay a colour over the picture where the coverage says how densely, 0..1."""
        keep = 1 - coverage
        for plane, ink in zip(self.planes, color, strict=True):
            under = plane[patch.box]
            under *= keep
            under += coverage * ink

    def images(self) -> NDArray[np.uint8]:
        """The finished pictures. -> [N,S,S,3]"""
        whole = (self.planes + 0.5).astype(np.uint8)
        return np.ascontiguousarray(whole.transpose(3, 1, 2, 0))
