"""The pixels of pictures, uint8, as networks take and give them, in [-1, 1]. NumPy and PyTorch agree bit for bit.

`explorer/page/app/pixel-range.js` is the same in JavaScript. NumPy alone needs no PyTorch.
"""

from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

GREY_LEVELS = 127.5  # in a unit of [-1, 1]


@overload
def signed(stored: NDArray[np.uint8]) -> NDArray[np.float32]: ...
@overload
def signed(stored: "Tensor") -> "Tensor": ...
def signed(stored: "NDArray[np.uint8] | Tensor") -> "NDArray[np.float32] | Tensor":
    """Stored pixels as networks take them, on the device where they are.  uint8 [N,S,S,3] -> float32 [N,3,S,S]"""
    if isinstance(stored, np.ndarray):
        return stored.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(GREY_LEVELS) - np.float32(1)
    return stored.permute(0, 3, 1, 2).float().div_(GREY_LEVELS).sub_(1)


def to_stored(x: "NDArray[np.float32] | Tensor") -> NDArray[np.uint8]:
    """Networks' pixels as they are stored; what is not a number is black.  float [N,3,S,S] -> uint8 [N,S,S,3]"""
    if isinstance(x, np.ndarray):
        levels = np.rint((np.fmin(np.fmax(x, -1), 1) + 1) * np.float32(GREY_LEVELS)).astype(np.uint8)
    else:
        scaled = x.detach().float().clamp(-1, 1).add(1).mul(GREY_LEVELS).round()
        levels = scaled.byte().cpu().numpy()
    stored: NDArray[np.uint8] = levels.transpose(0, 2, 3, 1)
    return stored
