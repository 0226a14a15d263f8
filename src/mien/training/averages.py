"""What a training has lost lately: means of its loss terms, without making the device wait."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mien.models.base import Terms


class Meter:
    """Means of the terms between two lines of the log, read from the device one line late, so that it never waits."""

    def __init__(self, mean: Callable[[Tensor], Tensor] = lambda means: means) -> None:
        self.mean = mean
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.last = (0, 0.0)  # images seen and seconds at the last line
        self.pending: tuple[dict[str, Any], list[str], Tensor, torch.cuda.Event | None] | None = None

    def add(self, phase: str, terms: Terms) -> None:
        """Count one update's terms."""
        for term, value in terms.items():
            name = f"{phase}/{term}"
            # A copy, since a recorded update writes its terms to the same place every time.
            self.sums[name] = value.detach() + self.sums[name] if name in self.sums else value.detach().clone()
            self.counts[name] = self.counts.get(name, 0) + 1

    def close(self, images_seen: int, seconds: float) -> list[dict[str, Any]]:
        """End an interval; returns the line of the interval before."""
        lines = self.flush()
        names = list(self.sums)
        means = self.mean(torch.stack([self.sums[name] / self.counts[name] for name in names]))
        images, time_spent = images_seen - self.last[0], seconds - self.last[1]
        line = {
            "images_seen": images_seen,
            "seconds": round(seconds, 3),
            "images_per_second": round(images / max(time_spent, 1e-9), 1),
        }
        event = None
        if means.is_cuda:
            host = torch.empty(means.shape, pin_memory=True)
            means = host.copy_(means, non_blocking=True)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        self.pending = (line, names, means, event)
        self.sums, self.counts, self.last = {}, {}, (images_seen, seconds)
        return lines

    def flush(self) -> list[dict[str, Any]]:
        """The line that is still on its way, if any."""
        if self.pending is None:
            return []
        line, names, means, event = self.pending
        if event is not None:
            event.synchronize()
        self.pending = None
        return [line | dict(zip(names, means.tolist(), strict=True))]

    def state(self) -> dict[str, Any]:
        """What an interval has come to, as plain JSON."""
        return {
            "sums": {name: value.item() for name, value in self.sums.items()},
            "counts": self.counts,
            "last": self.last,
        }

    def restore(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from a state."""
        self.sums = {name: torch.tensor(value, device=device) for name, value in state["sums"].items()}
        self.counts, self.last = state["counts"], tuple(state["last"])
