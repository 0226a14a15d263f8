"""The optimizers that a recipe can name, each by one fused kernel where the device has it."""

from collections.abc import Sequence

import torch
from torch import Tensor

LATE = 1e6  # a step at which Adam no longer corrects its averages for their start


class Adam(torch.optim.Adam):
    """PyTorch's Adam, whose learning rate a recorded update reads anew every time."""

    def __init__(self, moved: Sequence[Tensor], learning_rate: float, betas: tuple[float, float], eps: float) -> None:
        device = moved[0].device
        rate = torch.tensor(learning_rate, device=device) if device.type == "cuda" else learning_rate
        fused = device.type in ("cpu", "cuda")
        super().__init__(moved, lr=rate, betas=betas, eps=eps, fused=fused, capturable=device.type == "cuda")

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the next update."""
        for group in self.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(learning_rate)
            else:
                group["lr"] = learning_rate


class RMSprop(Adam):
    """RMSprop: v <- rho v + (1 - rho) g^2, then p <- p - learning_rate g / (sqrt(v) + eps).

    That is Adam without a mean of gradients and without the correction of its start. So it takes Adam's kernel, in half
    the time of PyTorch's RMSprop, which has none. Source: Tieleman & Hinton 2012, lecture 6e.
    """

    def __init__(self, moved: Sequence[Tensor], learning_rate: float, rho: float, eps: float) -> None:
        super().__init__(moved, learning_rate, (0.0, rho), eps)
        for parameter in moved:
            averages = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
            step = torch.tensor(LATE, device=parameter.device if parameter.is_cuda else None)
            self.state[parameter] = {"step": step} | averages
