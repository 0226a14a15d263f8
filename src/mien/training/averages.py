"""Means of a training's loss terms between two lines of the log, without making the device wait."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mien.models.base import Terms

WEIGHTS = "weights"  # in a line of the log: the weight of each term in the loss; 1 is left out
WEIGHT_OF = "weight of "


class Meter:
    """Means of the terms between two lines of the log, read from the device one line late, so that it never waits."""

    def __init__(self, mean: Callable[[Tensor], Tensor] = lambda means: means) -> None:
        self.mean = mean
        self.sums: dict[str, Tensor] = {}  # of values, and under 'weight of NAME' of weights that are solved for
        self.weights: dict[str, float] = {}  # that are constants
        self.counts: dict[str, int] = {}
        self.last = (0, 0.0)  # images seen and seconds at the last line
        self.pending: tuple[dict[str, Any], list[str], Tensor, torch.cuda.Event | None] | None = None

    def add(self, phase: str, terms: Terms) -> None:
        """Count one update's terms."""
        for term_name, term in terms.items():
            name = f"{phase}/{term_name}"
            self._add(name, term.value)
            if isinstance(term.weight, Tensor):
                self._add(WEIGHT_OF + name, term.weight)
            else:
                self.weights[name] = term.weight

    def _add(self, name: str, value: Tensor) -> None:
        # A copy, since a recorded update writes its terms to the same place every time.
        self.sums[name] = value.detach() + self.sums[name] if name in self.sums else value.detach().clone()
        self.counts[name] = self.counts.get(name, 0) + 1

    def close(self, images_seen: int, seconds: float) -> list[dict[str, Any]]:
        """End an interval; returns the line of the interval before."""
        lines = self.flush()
        names = list(self.sums)
        found = [self.sums[name] / self.counts[name] for name in names]
        means = self.mean(torch.stack(found)) if found else torch.empty(0)  # no phase may have been active
        images, time_spent = images_seen - self.last[0], seconds - self.last[1]
        line = {
            "images_seen": images_seen,
            "seconds": round(seconds, 3),
            "images_per_second": round(images / max(time_spent, 1e-9), 1),
            WEIGHTS: {name: weight for name, weight in self.weights.items() if name in self.sums and weight != 1},
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
        found = dict(zip(names, means.tolist(), strict=True))
        solved = {name.removeprefix(WEIGHT_OF): found.pop(name) for name in names if name.startswith(WEIGHT_OF)}
        return [line | {WEIGHTS: line[WEIGHTS] | solved} | found]

    def state(self) -> dict[str, Any]:
        """The sums of the current interval, as plain JSON."""
        return {
            "sums": {name: value.item() for name, value in self.sums.items()},
            "counts": self.counts,
            "weights": self.weights,
            "last": self.last,
        }

    def restore(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from a state. Sums of an older one are of products with weights: they are left out."""
        self.last, self.weights = tuple(state["last"]), state.get("weights", {})
        kept = state["sums"] if "weights" in state else {}
        self.sums = {name: torch.tensor(value, device=device) for name, value in kept.items()}
        self.counts = {name: state["counts"][name] for name in kept}
