"""Where the time of a training step goes, on this machine's CPU: by phase and part, and by operation.

    python benchmarks/step_time.py

mien's own trainer runs the coursework's recipes under PyTorch's profiler. Parts are data (a batch out of memory into
floats), and for each phase forward, backward and optimizer; what is left of the time between two steps is the rest.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from measuring import table, write_csv
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from mien.faces import Faces, open_faces
from mien.faces.batches import Batches
from mien.models import build
from mien.recipes.recipe import Recipe, load_recipe
from mien.training.devices import hardware
from mien.training.loop import Trainer

WARM_UP = 3  # steps
BACKWARD, OPTIMIZER = "autograd::engine::evaluate_function", "Optimizer.step#"
OPERATIONS = {  # kind to how names of events begin in PyTorch; the first that fits
    "convolutions, backward": ("aten::convolution_backward", "aten::mkldnn_convolution_backward"),
    "convolutions, forward": ("aten::mkldnn_convolution", "aten::convolution", "aten::_slow_conv", "aten::conv"),
    "linear layers": ("aten::addmm", "aten::mm", "aten::matmul", "aten::linear", "mkldnn::"),
    "changes of type or layout": ("aten::copy_", "aten::_to_copy", "aten::to", "aten::contiguous", "aten::clone"),
    "random numbers": ("aten::randn", "aten::normal_"),
    "activations": ("aten::leaky_relu", "aten::relu", "aten::threshold", "aten::tanh", "aten::clamp"),
}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["vae", "gan", "acgan"])
    parser.add_argument("--steps", type=int, default=6, help="that are profiled")
    parser.add_argument("--source", default="drawn:3000", help="faces, as for mien train")
    given = parser.parse_args()
    faces = open_faces(given.source, size=64)
    profiled = [
        (model, *profile_steps(load_recipe(f"{model}-coursework"), faces, given.steps)) for model in given.models
    ]
    parts = [{"model": model} | row for model, events, seconds in profiled for row in by_part(events, seconds)]
    operations = [{"model": model} | row for model, events, seconds in profiled for row in by_operation(events)]
    for name, rows in (("step-parts", parts), ("step-operations", operations)):
        path = write_csv(name, rows, trials=given.steps)
        print(f"{table(rows, {column: column.replace('_', ' ') for column in rows[0]})}\nwritten to {path}\n")


def profile_steps(recipe: Recipe, faces: Faces, steps: int) -> tuple[list[FunctionEvent], list[float]]:
    """Some steps of a recipe under the profiler.  -> its events, and the seconds of each step"""
    training = recipe.training.model_copy(update={"epochs": None, "steps": WARM_UP + steps + 1, "device": "cpu"})
    model = build(recipe.model, faces.size)
    batches = Batches(faces, "train", attributes=model.attributes)
    batches.at = named("data", batches.at)  # type: ignore[method-assign]
    model.phases = tuple(replace(phase, loss=named(f"{phase.name}: forward", phase.loss)) for phase in model.phases)
    profiler, ends = profile(activities=[ProfilerActivity.CPU], acc_events=True), []

    def progress(images_seen: int, total: int) -> None:
        step = images_seen // training.images_per_step(model)
        if step == WARM_UP:
            profiler.start()
        if WARM_UP <= step <= WARM_UP + steps:
            ends.append(time.perf_counter())
        if step == WARM_UP + steps:
            profiler.stop()

    with tempfile.TemporaryDirectory() as folder, hardware("cpu", training.precision) as here:
        checkpoint = Path(folder) / "checkpoint.safetensors"
        Trainer(model, batches, training, here, checkpoint=checkpoint, progress=progress).run()
    return list(profiler.events()), [after - before for before, after in pairwise(ends)]


def named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with its time kept by the profiler under a name."""

    def recorded(*given: Any, **options: Any) -> Any:
        with record_function(name):
            return function(*given, **options)

    return recorded


def by_part(events: list[FunctionEvent], seconds: list[float]) -> list[dict[str, Any]]:
    """Milliseconds and share of a step for each part.  Backward and optimizer belong to the last phase that began."""
    spent: dict[str, float] = {}
    phase = ""
    for event in sorted(events, key=lambda event: event.time_range.start):
        if event.name == "data" or event.name.endswith(": forward"):
            name, phase = event.name, event.name.partition(":")[0]
        elif event.name.startswith(BACKWARD):
            name = f"{phase}: backward"
        elif event.name.startswith(OPTIMIZER):
            name = f"{phase}: optimizer"
        else:
            continue
        spent[name] = spent.get(name, 0) + event.time_range.elapsed_us() / 1e6 / len(seconds)
    step = sum(seconds) / len(seconds)
    spent["rest"] = step - sum(spent.values())
    return [{"part": part, "milliseconds": s * 1e3, "share": f"{s / step:.0%}"} for part, s in spent.items()]


def by_operation(events: list[FunctionEvent]) -> list[dict[str, Any]]:
    """The share of each kind of operation in the time of all of them, the largest first."""
    spent: dict[str, float] = {}
    for event in events:
        kind = kind_of(event)
        spent[kind] = spent.get(kind, 0) + event.self_cpu_time_total
    total = sum(spent.values())
    largest = sorted(spent.items(), key=lambda item: -item[1])
    return [{"operation": kind, "share": f"{microseconds / total:.0%}"} for kind, microseconds in largest]


def kind_of(event: FunctionEvent) -> str:
    """What kind of operation an event is, or is a part of."""
    lineage: list[str] = []
    around: FunctionEvent | None = event
    while around is not None:
        lineage.append(around.name)
        around = around.cpu_parent
    if any(name.startswith(OPTIMIZER) for name in lineage):
        return "optimizer"
    kinds = (kind for name in lineage for kind, names in OPERATIONS.items() if name.startswith(names))
    return next(kinds, "all others")


if __name__ == "__main__":
    main()
