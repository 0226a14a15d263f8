"""The embedded set: cartoon faces with 13 attributes, drawn from a seed, for a machine that has no photographs.

`draw` samples people from the small Bayesian network below and `render` paints them. Face i of a seed is a pure
function of (seed, i): it does not depend on how many are drawn, in what chunks, at what size or by how many
processes. The attributes carry CelebA's names (`Beard` is the opposite of its `No_Beard`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.errors import DataError
from mien.faces.drawn.portrait import Portrait
from mien.faces.freed_memory import keep_freed_blocks

ATTRIBUTES: tuple[str, ...] = (
    "Male",
    "Young",
    "Smiling",
    "Beard",
    "Long_Hair",
    "Bangs",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Eyeglasses",
    "Black_Hair",
    "Brown_Hair",
    "Blond_Hair",
    "Gray_Hair",
)
SIZES = (32, 64, 128)
CHUNK_PIXELS = 96 * 64 * 64  # painted at once; fewer pay numpy's cost a call more often: measured


@dataclass(frozen=True)
class Factor:
    """One continuous property of a face: its range, the unit, and whether middling values are likelier."""

    low: float
    high: float
    meaning: str
    peaked: bool = False  # triangular over the range rather than even

    def quantile(self, chance: NDArray[np.float64]) -> NDArray[np.float64]:
        """The value below which this share of faces lies."""
        if self.peaked:
            tail = np.sqrt(np.minimum(chance, 1 - chance) / 2)
            chance = np.where(chance < 0.5, tail, 1 - tail)
        return self.low + (self.high - self.low) * chance


RANGES: dict[str, Factor] = {
    "yaw": Factor(-1, 1, "turn of the head, to the right of the picture; 1 is about 25 degrees", peaked=True),
    "pitch": Factor(-1, 1, "nod, downwards; 1 is about 10 degrees", peaked=True),
    "tilt": Factor(-9, 9, "roll of the head, clockwise, degrees", peaked=True),
    "face_width": Factor(0.92, 1.08, "width of the head, relative to the usual", peaked=True),
    "skin_tone": Factor(0, 1, "from the lightest to the deepest skin"),
    "light_direction": Factor(-1, 1, "where the light comes from, left to right"),
    "light_strength": Factor(0.2, 1, "depth of the shading, 0 is none"),
    "background_hue": Factor(0, 1, "colour of the wall, turns around its wheel"),
    "clothes_hue": Factor(0, 1, "colour of clothes and hat, turns around their wheel"),
    "hair_shade": Factor(-1, 1, "lightness of the hair within its colour, dark to light", peaked=True),
    "hair_part": Factor(-1, 1, "where the hair is parted, left to right"),
    "hair_volume": Factor(0, 1, "fullness of the hair, flat to full"),
    "hair_curl": Factor(0, 1, "waves in the outline of the hair; below a half it is straight"),
    "eye_open": Factor(0.7, 1.1, "height of the eyes' opening, relative to the usual", peaked=True),
    "eye_spacing": Factor(0.92, 1.08, "distance between the eyes, relative to the usual", peaked=True),
    "gaze": Factor(-1, 1, "where the eyes look, left to right", peaked=True),
    "iris_color": Factor(0, 1, "from dark brown over hazel and green to blue"),
    "brow_height": Factor(-1, 1, "height of the brows, low to high", peaked=True),
    "nose_size": Factor(0.8, 1.2, "size of the nose, relative to the usual", peaked=True),
    "mouth_width": Factor(0.88, 1.12, "width of the mouth, relative to the usual", peaked=True),
    "smile_amount": Factor(0, 1, "how wide a smile is; how far up the corners of a mouth are that does not smile"),
}
FACTORS: tuple[str, ...] = tuple(RANGES)


@dataclass(frozen=True)
class Node:
    """One binary attribute of the network: its parents, and P(1) for each combination of their values."""

    parents: tuple[str, ...]
    chance: Mapping[tuple[int, ...], float]


# Each attribute given its parents, which come before it. The numbers are a caricature of CelebA's: the signs of its
# correlations and, roughly, their strengths, with rare things (hats, glasses) made common enough to be learnt.
NETWORK: dict[str, Node] = {
    "Male": Node((), {(): 0.45}),
    "Young": Node((), {(): 0.72}),
    "Smiling": Node(("Male",), {(0,): 0.56, (1,): 0.42}),
    "Beard": Node(("Male", "Young"), {(0, 0): 0.0, (0, 1): 0.0, (1, 0): 0.45, (1, 1): 0.32}),
    "Long_Hair": Node(("Male",), {(0,): 0.70, (1,): 0.08}),
    "Bangs": Node(("Male",), {(0,): 0.35, (1,): 0.14}),
    "Wearing_Hat": Node(("Male",), {(0,): 0.08, (1,): 0.15}),
    "Wearing_Lipstick": Node(("Male", "Young"), {(0, 0): 0.50, (0, 1): 0.65, (1, 0): 0.0, (1, 1): 0.0}),
    "Eyeglasses": Node(("Young",), {(0,): 0.38, (1,): 0.14}),
}

# The colour of the hair, at most one of these and red when none, given (Young, skin tone above DEEP_SKIN).
HAIR_COLORS = ("Black_Hair", "Brown_Hair", "Blond_Hair", "Gray_Hair")
DEEP_SKIN = 0.6
HAIR_CHANCE: dict[tuple[int, int], tuple[float, ...]] = {
    (0, 0): (0.12, 0.20, 0.14, 0.46),
    (0, 1): (0.49, 0.08, 0.01, 0.40),
    (1, 0): (0.22, 0.36, 0.26, 0.02),
    (1, 1): (0.80, 0.12, 0.02, 0.01),
}

_ATTRIBUTE_DRAWS = len(NETWORK) + 1
_DRAWS = -(-(_ATTRIBUTE_DRAWS + len(FACTORS)) // 4) * 4  # of each face; Philox steps by fours


@dataclass(frozen=True)
class DrawnFaces:
    """Drawn faces, in order.

    images: uint8 [N,S,S,3], RGB.   attributes: int8 [N,A] in {0, 1}, as in ATTRIBUTES.
    factors: float32 [N,F], as in FACTORS, in the units given there.
    """

    images: NDArray[np.uint8]
    attributes: NDArray[np.int8]
    factors: NDArray[np.float32]


def draw(count: int, *, size: int = 64, seed: int = 0, start: int = 0) -> DrawnFaces:
    """Faces start .. start + count - 1 of a seed, `size` pixels square.

    Raises: DataError for a count below 1, a negative seed or start, or a size not in SIZES.
    """
    if count < 1:
        raise DataError(f"drawn faces: a count of {count} was asked for; it must be 1 or more. Try drawn:20000.")
    for name, given in (("seed", seed), ("start", start)):
        if given < 0:
            raise DataError(f"drawn faces: {name} is {given}; it must be 0 or more. Leave it out for 0.")
    attributes, factors = sample(count, seed=seed, start=start)
    return DrawnFaces(render(attributes, factors, size), attributes, factors)


def sample(count: int, *, seed: int = 0, start: int = 0) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """The people without their pictures: attributes int8 [N,A] and factors float32 [N,F]."""
    bits = np.random.Philox(seed).advance(start * _DRAWS // 4)
    uniform = np.random.Generator(bits).random((count, _DRAWS))
    factors = np.empty((count, len(FACTORS)), np.float32)
    for column, factor in enumerate(RANGES.values()):
        factors[:, column] = factor.quantile(uniform[:, _ATTRIBUTE_DRAWS + column])

    value: dict[str, NDArray[np.int8]] = {}
    for column, (name, node) in enumerate(NETWORK.items()):
        chance = np.empty(count)
        for case, probability in node.chance.items():
            chance[_matches(value, node.parents, case, count)] = probability
        value[name] = (uniform[:, column] < chance).astype(np.int8)
    deep = factors[:, FACTORS.index("skin_tone")] > DEEP_SKIN
    limits = np.array([[HAIR_CHANCE[young, dark] for dark in (0, 1)] for young in (0, 1)]).cumsum(-1)
    color = (uniform[:, len(NETWORK), None] >= limits[value["Young"], deep.astype(np.int8)]).sum(1)
    for index, name in enumerate(HAIR_COLORS):
        value[name] = (color == index).astype(np.int8)
    return np.stack([value[name] for name in ATTRIBUTES], axis=1), factors


def _matches(
    value: Mapping[str, NDArray[np.int8]], parents: tuple[str, ...], case: tuple[int, ...], count: int
) -> NDArray[np.bool_]:
    """Which faces have these values of these attributes. -> [N]"""
    same = np.ones(count, np.bool_)
    for parent, wanted in zip(parents, case, strict=True):
        same &= value[parent] == wanted
    return same


def render(attributes: ArrayLike, factors: ArrayLike, size: int) -> NDArray[np.uint8]:
    """Paint people: attributes [N,A] in {0, 1}, factors [N,F] -> uint8 [N,size,size,3].

    A pure function of each row: the same person with one attribute changed differs only where that attribute shows.

    Raises: DataError for a size not in SIZES.
    """
    if size not in SIZES:
        allowed = ", ".join(map(str, SIZES))
        raise DataError(f"drawn faces: size is {size}; it can be {allowed}. Choose one of these with --size.")
    columns = np.concatenate([np.asarray(attributes, np.float32), np.asarray(factors, np.float32)], axis=1).T
    images = np.empty((columns.shape[1], size, size, 3), np.uint8)
    at_once = CHUNK_PIXELS // size**2
    keep_freed_blocks()
    for start in range(0, len(images), at_once):
        rows = slice(start, start + at_once)
        person = {
            name: np.ascontiguousarray(column)
            for name, column in zip(ATTRIBUTES + FACTORS, columns[:, rows], strict=True)
        }
        images[rows] = Portrait(person, size).paint()
    return images
