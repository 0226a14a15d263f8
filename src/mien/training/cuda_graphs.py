"""Updates recorded once and played back: one launch on a GPU in place of hundreds, so it seldom waits for the CPU."""

from collections.abc import Callable
from functools import partial

import torch

from mien.errors import RunError, in_one_line
from mien.faces.batches import Batch
from mien.models.base import Terms

WARM_UP = 3  # updates carried out without recording, at first
Update = Callable[[list[Batch]], Terms]
Record = Callable[[Callable[[], Terms]], tuple[Callable[[], None], Terms]]


def record_cuda_graph(update: Callable[[], Terms]) -> tuple[Callable[[], None], Terms]:
    """Record the kernels that an update launches, without running them.  -> a function that runs them, its terms"""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        terms = update()
    return graph.replay, terms


class Replays:
    """The updates of a step, each recorded after a few calls and played back from then on.

    A recording reads its batch from fixed places, which are filled before it is played.
    Source: CUDA graphs, "Whole-network capture" in PyTorch's notes on CUDA semantics.
    """

    def __init__(self, record: Record = record_cuda_graph) -> None:
        self.record = record
        self.calls: dict[tuple[str, int], int] = {}
        self.recorded: dict[tuple[str, int], tuple[Callable[[], None], Terms]] = {}
        self.places: dict[int, Batch] = {}

    def __call__(self, phase: str, number: int, update: Update, batches: list[Batch]) -> Terms:
        """Carry out a phase's update on the one batch in the list, which has that number within the step.

        Raises: RunError where it cannot be recorded: PyTorch's state is not to be relied on after that.
        """
        key = phase, number
        self.calls[key] = self.calls.get(key, 0) + 1
        if self.calls[key] <= WARM_UP:
            return run_aside(partial(update, batches))
        place = self._fill(number, batches[0])
        if key not in self.recorded:
            try:
                self.recorded[key] = self.record(partial(update, [place]))
            except RuntimeError as error:
                raise RunError(
                    f"the {phase} phase cannot be recorded as a CUDA graph ({in_one_line(error)}). "
                    "Train with training.cuda_graphs=false, or set it so in the run's recipe.toml and resume it."
                ) from error
        play, terms = self.recorded[key]
        play()
        return terms

    def _fill(self, number: int, batch: Batch) -> Batch:
        """Copy a batch to its fixed place."""
        if number not in self.places:
            empty = (torch.empty_like(tensor) for tensor in (batch.x, batch.y, batch.progress, batch.passes))
            x, y, progress, passes = empty
            self.places[number] = Batch(x, y, progress=progress, passes=passes)
        place = self.places[number]
        place.x.copy_(batch.x)
        place.y.copy_(batch.y)
        place.progress.copy_(batch.progress)
        place.passes.copy_(batch.passes)
        return place


def run_aside(update: Callable[[], Terms]) -> Terms:
    """Carry out an update on a stream of its own where there is a GPU, as PyTorch asks for before a recording."""
    if not torch.cuda.is_available():
        return update()
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        terms = update()
    torch.cuda.current_stream().wait_stream(stream)
    return terms
