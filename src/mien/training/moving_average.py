"""The exponential moving average of a model's weights."""

import copy

import torch
from torch import Tensor

from mien.models.base import Model


class MovingAverage:
    """A copy of a model whose weights trail the original's.

    The first steps average over fewer of them, so that the random start is soon forgotten.
    """

    def __init__(self, model: Model, decay: float) -> None:
        self.model: Model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.weights: list[Tensor] = list(self.model.parameters())
        self.originals: list[Tensor] = list(model.parameters())
        self.buffers = list(zip(self.model.buffers(), model.buffers(), strict=True))

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Move towards the original, which has made so many steps. Buffers are copied as they are."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(self.weights, self.originals, 1 - decay)
        for mine, theirs in self.buffers:
            mine.copy_(theirs)
