"""A set of face images with attributes, divided into training, validation and test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, did_you_mean
from mien.faces.source.decode import Crop

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
UNKNOWN = -1  # in `Faces.attributes`: the table has no value for this face


@dataclass(frozen=True)
class Faces:
    """A packed set of face images with attributes, in a fixed order, split in three.

    images: uint8 [N,S,S,3], RGB, memory-mapped.    attributes: int8 [N,A], 1 has it, 0 has not, -1 unknown.
    split: uint8 [N], an index into SPLITS.         files: N names, relative to the source.
    card: the data card (see `mien.faces.pack.statistics`); plain JSON.
    """

    images: NDArray[np.uint8]
    attributes: NDArray[np.int8]
    attribute_names: tuple[str, ...]
    split: NDArray[np.uint8]
    files: Sequence[str]
    fingerprint: str
    card: dict[str, Any]

    @property
    def size(self) -> int:
        """Side of every image, in pixels."""
        return int(self.images.shape[1])

    @property
    def crop(self) -> Crop:
        """The part kept of each picture; for drawn faces, which are not cropped, the default for other pictures."""
        rule: Crop | list[int] = self.card["crop_rule"] or "square"
        if isinstance(rule, list):  # as JSON holds it
            left, top, right, bottom = rule
            return left, top, right, bottom
        return rule

    def columns(self, names: tuple[str, ...]) -> list[int]:
        """The columns of the named attributes in `attributes`.

        Raises: DataError, with the nearest name, for an attribute that these faces do not have.
        """
        for name in names:
            if name not in self.attribute_names:
                have = ", ".join(self.attribute_names) or "none"
                why = dict(self.card.get("columns_left_out", ())).get(name)
                raise DataError(
                    f"{self.card['source']}: no attribute {name!r}.{did_you_mean(name, self.attribute_names)} "
                    f"Attributes here: {have}." + (f" {name!r} was left out: {why}." if why else "")
                )
        return [self.attribute_names.index(name) for name in names]

    def rows(self, split: Split, known: tuple[str, ...] = ()) -> NDArray[np.int64]:
        """Indices of the faces of a split whose named attributes are all known, ascending."""
        inside = self.split == SPLITS.index(split)
        for column in self.columns(known):
            inside &= self.attributes[:, column] != UNKNOWN
        return np.flatnonzero(inside)
