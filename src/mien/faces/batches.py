"""Batches for training: which faces come next is a pure function of the seed and the images already seen."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.errors import DataError
from mien.faces import Faces, Split

CHUNK = 256  # images at a time, of those that are only looked at


@dataclass(frozen=True)
class Batch:
    """Faces a model is trained on.  x: [N,3,S,S] float32 in [-1, 1]    y: [N,A] float32 in {0, 1}"""

    x: Tensor
    y: Tensor


def to_signed(images: NDArray[np.uint8], device: torch.device | str = "cpu") -> Tensor:
    """Stored pixels as networks take them.  uint8 [N,S,S,3] -> float32 [N,3,S,S] in [-1, 1]"""
    writable = np.require(images, requirements=["C", "W"])  # PyTorch warns of arrays that are not, as memory maps
    stored = torch.from_numpy(writable).to(device, non_blocking=True)
    return stored.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def signed_chunks(images: NDArray[np.uint8], device: torch.device | str = "cpu") -> Iterator[Tensor]:
    """The same, some images at a time, so that memory stays bounded.  uint8 [N,S,S,3] -> [n,3,S,S]"""
    for start in range(0, len(images), CHUNK):
        yield to_signed(images[start : start + CHUNK], device)


def to_stored(x: Tensor) -> NDArray[np.uint8]:
    """Networks' pixels as they are stored.  float [N,3,S,S] in [-1, 1] -> uint8 [N,S,S,3]"""
    scaled = x.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    stored: NDArray[np.uint8] = scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return stored


class Batches:
    """An endless stream of shuffled epochs over one split of a set of faces.

    The stream is the permutation of epoch 0, of epoch 1 and so on, laid end to end; a batch is the next piece of it.

    only_known: leave out faces of which one of the attributes is not known; else it is -1 in `y`.
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
                "give more images, or attributes that the table has values for."
            )
        self.images = faces.images
        self.y = faces.attributes[:, faces.columns(attributes)].astype(np.float32)
        self.seed = seed
        self.horizontal_flips = horizontal_flips
        self.device = torch.device(device)
        self._epoch = -1
        self._order = self.rows

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

    def at(self, start: int, count: int) -> Batch:
        """The batch at a position of the stream; flips are drawn from PyTorch's own generator."""
        rows = self.indices(start, count)
        x = to_signed(self.images[rows], self.device)
        if self.horizontal_flips:
            flip = torch.rand(len(x), device=self.device) < 0.5
            x = torch.where(flip[:, None, None, None], x.flip(3), x)
        y = torch.from_numpy(self.y[rows]).to(self.device, non_blocking=True)
        return Batch(x, y)
