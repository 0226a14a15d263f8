"""The pixels that training reads: mapped from a file of any size, or held by the device."""

import mmap
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CHUNK = 4096  # images copied to a device at a time
RESIDENT = 2**26  # bytes read from the map before its pages are given back
DEVICE_SHARE = 0.5  # of the memory that is free on a device, for pixels


def pixels_of(images: NDArray[np.uint8], rows: NDArray[np.int64], device: torch.device) -> "Mapped | OnDevice":
    """The pixels of these rows: held by a GPU where they fit into half of its free memory, else memory-mapped."""
    if device.type == "cuda":
        needed = len(rows) * images[0].nbytes
        if needed <= DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]:
            return OnDevice(images, rows, device)
    return Mapped(images, device)


class Mapped:
    """Pixels read from a memory map, or an array, when they are asked for.

    The pages that were read count as this process's memory until the system wants them back; they are given back every
    64 MiB, so that a set of any size takes no more than that. They stay in the system's cache where it has room.
    """

    def __init__(self, images: NDArray[np.uint8], device: torch.device) -> None:
        self.images, self.device = images, device
        self._map = images.base if isinstance(images.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None
        self._read = 0  # bytes since pages were given back
        self._reader = ThreadPoolExecutor(1, "pixels")
        self._coming: tuple[NDArray[np.int64], Future[NDArray[np.uint8]]] | None = None
        if self._map:
            self._map.madvise(mmap.MADV_RANDOM)  # or the system reads ahead, and a shuffled reader throws it away

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """The images of these rows, on the device.  [N] -> uint8 [N,S,S,3]"""
        coming, self._coming = self._coming, None
        expected = coming is not None and np.array_equal(coming[0], rows)
        images = coming[1].result() if coming and expected else self._gather(rows)
        return torch.from_numpy(images).to(self.device, non_blocking=True)

    def expect(self, rows: NDArray[np.int64]) -> None:
        """Begin to read the images that will be taken next, in a thread."""
        self._coming = rows, self._reader.submit(self._gather, rows)

    def _gather(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        images = np.ascontiguousarray(self.images[rows])
        self._read += images.nbytes
        if self._map and self._read > RESIDENT:
            self._map.madvise(mmap.MADV_DONTNEED)
            self._read = 0
        return images


class OnDevice:
    """Pixels of the rows that are trained on, held by the device as they are stored."""

    def __init__(self, images: NDArray[np.uint8], rows: NDArray[np.int64], device: torch.device) -> None:
        self.place = torch.full((len(images),), -1, dtype=torch.int64)
        self.place[torch.from_numpy(rows)] = torch.arange(len(rows))
        self.place = self.place.to(device)
        self.images = torch.empty((len(rows), *images.shape[1:]), dtype=torch.uint8, device=device)
        mapped = Mapped(images, device)
        for start in range(0, len(rows), CHUNK):
            self.images[start : start + CHUNK] = mapped.take(rows[start : start + CHUNK])

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """The images of these rows.  [N] -> uint8 [N,S,S,3]"""
        return self.images[self.place[torch.from_numpy(rows).to(self.place.device, non_blocking=True)]]

    def expect(self, rows: NDArray[np.int64]) -> None:
        """Nothing to do: the images are on the device."""
