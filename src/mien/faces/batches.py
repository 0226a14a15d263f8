"""Batches for training: which faces come next is a pure function of the seed and the images already seen."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.errors import DataError
from mien.faces.labelled_faces import Faces, Split
from mien.faces.pixel_range import signed
from mien.faces.pixels import pixels_of

CHUNK = 256  # images at a time, of those that are measured and not trained on


@dataclass(frozen=True)
class Batch:
    """Faces a model is trained on: a batch, or a part of one.

    x: [N,3,S,S] float32 in [-1, 1]    y: [N,A] float32 in {0, 1}
    first, whole: of a part of a batch, its place in the batch and the size of the batch; whole is 0 for a batch.
    progress: the share of the training that is done, [], in [0, 1): a function of the images seen.
    passes: how often the training images were seen until now, []: a function of the images seen.
    """

    x: Tensor
    y: Tensor
    first: int = 0
    whole: int = 0
    progress: Tensor = field(default_factory=lambda: torch.zeros(()))
    passes: Tensor = field(default_factory=lambda: torch.zeros(()))

    def noise(self, dimensions: int) -> Tensor:
        """Standard normal noise for these faces.  -> [N,dimensions]"""
        return self.drawn(lambda count: torch.randn(count, dimensions, device=self.x.device))

    def uniform(self, dimensions: int) -> Tensor:
        """Numbers from [0, 1) for these faces.  -> [N,dimensions]"""
        return self.drawn(lambda count: torch.rand(count, dimensions, device=self.x.device))

    def drawn(self, draw: Callable[[int], Tensor]) -> Tensor:
        """Random numbers for these faces.  draw: from a number of faces to a tensor, by PyTorch's own generator

        The numbers are drawn for the whole batch and then cut, so that its division into parts changes nothing.
        """
        return draw(self.whole or len(self.x))[self.first : self.first + len(self.x)]

    def halves(self) -> tuple["Batch", "Batch"]:
        """Its first half and the rest."""
        middle, whole = -(-len(self.x) // 2), self.whole or len(self.x)

        def part(rows: slice, first: int) -> Batch:
            return Batch(self.x[rows], self.y[rows], self.first + first, whole, self.progress, self.passes)

        return part(slice(middle), 0), part(slice(middle, None), middle)


def to_signed(images: NDArray[np.uint8], device: torch.device | str = "cpu") -> Tensor:
    """Stored pixels, on a device, as networks take them.  uint8 [N,S,S,3] -> float32 [N,3,S,S] in [-1, 1]"""
    writable = np.require(images, requirements=["C", "W"])  # PyTorch warns of read-only arrays, such as memory maps
    return signed(torch.from_numpy(writable).to(device, non_blocking=True))


def signed_chunks(images: NDArray[np.uint8], device: torch.device | str = "cpu") -> Iterator[Tensor]:
    """The same, some images at a time, so that memory stays bounded.  uint8 [N,S,S,3] -> [n,3,S,S]"""
    for start in range(0, len(images), CHUNK):
        yield to_signed(images[start : start + CHUNK], device)


class Batches:
    """An endless stream of shuffled epochs over one split of a set of faces.

    The stream is the permutation of epoch 0, of epoch 1 and so on, laid end to end; a batch is the next piece of it.
    Which faces are mirrored is a function of the seed and the place in the stream as well.

    only_known: leave out faces with an unknown attribute; otherwise `y` is -1 there.
    """

    def __init__(
        self,
        faces: Faces,
        split: Split,
        *,
        attributes: tuple[str, ...] = (),
        only_known: bool = True,
        seed: int = 0,
        horizontal_flips: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        self.rows = faces.rows(split, known=attributes if only_known else ())
        if not len(self.rows):
            known = f" with {', '.join(attributes)} known" if attributes else ""
            raise DataError(
                f"{faces.card['source']}: no image of the {split} split{known}. Training needs at least one; "
                "give more images, or attributes with values in the table."
            )
        self.y = faces.attributes[:, faces.columns(attributes)].astype(np.float32)
        self.seed = seed
        self.horizontal_flips = horizontal_flips
        self.device = torch.device(device)
        self.pixels = pixels_of(faces.images, self.rows, self.device)
        self._y = torch.from_numpy(self.y).to(self.device)
        self._epoch = -1
        self._order = self.rows
        self._next: tuple[tuple[int, int], NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """Images in an epoch."""
        return len(self.rows)

    def indices(self, start: int, count: int) -> NDArray[np.int64]:
        """Rows of the set at positions start, start + 1, ... of the stream.  -> [count]"""
        pieces = []
        while count:
            epoch, offset = divmod(start, len(self.rows))
            if epoch != self._epoch:
                self._order = np.random.default_rng([self.seed, epoch]).permutation(self.rows)
                self._epoch = epoch
            pieces.append(self._order[offset : offset + count])
            start, count = start + len(pieces[-1]), count - len(pieces[-1])
        return np.concatenate(pieces)

    def at(self, start: int, count: int, part: slice = slice(None), progress: float = 0.0) -> Batch:
        """The batch at a position of the stream, or a part of it.  progress: the share of the training that is done"""
        first, after, _ = part.indices(count)
        place = start + first, after - first
        rows = self._next[1] if self._next and self._next[0] == place else self.indices(*place)
        x = signed(self.pixels.take(rows))
        place = place[0] + count, place[1]  # of the next batch, whose pixels are read while this one is trained on
        self._next = place, self.indices(*place)
        self.pixels.expect(self._next[1])
        if self.horizontal_flips:
            draws = np.random.default_rng([self.seed, start, 1]).random(count)[part]
            flip = torch.from_numpy(draws < 0.5).to(self.device, non_blocking=True)
            x = torch.where(flip[:, None, None, None], x.flip(3), x)
        y = self._y[torch.from_numpy(rows).to(self.device, non_blocking=True)]
        told = (torch.full((), share, device=self.device) for share in (progress, start / len(self)))
        return Batch(x, y, first, count, *told)
