"""Images a second from a saved model, ONNX Runtime against PyTorch on the CPU, and how long small commands take in all.

The networks of the coursework (64x64, width 64, 512 latents) with fresh weights, which cost what trained ones do. The
same latents, the same threads, in turns within one process. "default layout" is PyTorch without the channels-last
layout that mien's decoders choose, as a model written down plainly runs.

    python benchmarks/sampling.py
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from measuring import ceilings, conditions_in_words, interleaved, ratio_of, spread_of, table, write_csv
from torch import Tensor

from mien.export.onnx_export import export_onnx, generator_graph
from mien.export.runtime import open_session
from mien.models import build
from mien.models.base import Model
from mien.models.convnets import Decoder
from mien.recipes.recipe import load_recipe
from mien.runs.weights import TrainedModel, save_model

MODELS = ("vae", "gan", "acgan")
COUNTS = (32, 1)  # images at a time: a grid of them, and one that somebody moves a slider of
ATTRIBUTES = ("Male", "Smiling", "Eyeglasses")
ATTEMPTS = 3  # of a figure; the fastest counts
Rows = list[dict[str, Any]]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    here = ceilings(seconds=1)
    rows = [row for name in MODELS for count in COUNTS for row in speeds(fresh(name), count, given)]
    rows += processes(given.rounds)
    path = write_csv(
        "sampling",
        [{**row, "onnxruntime": onnxruntime.__version__} for row in rows],
        trials=given.rounds,
        ceilings=here,
    )
    print(conditions_in_words(here) + f"; ONNX Runtime {onnxruntime.__version__}\n")
    print(
        table(
            [row for row in rows if "images" in row],
            {
                "what": "",
                "images": "at a time",
                "images_per_second": "images/s",
                "gflops": "GFLOP/s",
                "ratio": "over eager",
                "ratio_low": "from",
                "ratio_high": "to",
            },
        )
    )
    print(
        "\n"
        + table(
            [row for row in rows if "seconds" in row],
            {"what": "", "seconds": "seconds", "low": "from", "high": "to", "over_python": "over bare Python"},
        )
    )
    print(f"\nwritten: {path}")


def fresh(name: str) -> TrainedModel:
    """A coursework model with fresh weights."""
    recipe = load_recipe(f"{name}-coursework")
    if "attributes" in type(recipe.model).model_fields:
        model = recipe.model.model_copy(update={"attributes": ATTRIBUTES})
        recipe = recipe.model_copy(update={"model": model})
    torch.manual_seed(0)
    built = build(recipe.model, recipe.data.size).eval()
    return TrainedModel(built, recipe, 0, [([0] * len(built.attributes), 1)])


def speeds(trained: TrainedModel, count: int, given: argparse.Namespace) -> Rows:
    """How fast each engine draws so many images at a time, and its ratio to eager float32 in the same round."""
    model, name = trained.model, trained.recipe.model.name
    inputs = {"z": torch.randn(count, model.latent_dim)} | (
        {"y": torch.rand(count, len(ATTRIBUTES))} if model.attributes else {}
    )
    arrays = {key: tensor.numpy() for key, tensor in inputs.items()}
    session = open_session(generator_graph(model).SerializeToString(), given.threads)
    engines: dict[str, Callable[[], Any]] = {
        "ONNX Runtime": lambda: session.run(["x"], arrays),
        "PyTorch float32": lambda: model.generate(**inputs),
        "PyTorch float32, default layout": lambda: in_default_layout(model, **inputs),
        "PyTorch bfloat16": lambda: in_bfloat16(model, inputs),
    }
    with torch.no_grad():
        for engine in engines.values():
            engine()
        figures = interleaved({key: images_per_second(engine, count) for key, engine in engines.items()}, given.rounds)
    flops = 2 * multiplications(model, inputs)
    rows = []
    for key, figure in figures.items():
        speed, ratio = spread_of(figure), ratio_of(figure, figures["PyTorch float32"])
        rows.append(
            {
                "what": f"{name}: {key}",
                "images": count,
                "images_per_second": speed.median,
                "low": speed.low,
                "high": speed.high,
                "gflops": speed.median * flops / 1e9,
                "ratio": ratio.median,
                "ratio_low": ratio.low,
                "ratio_high": ratio.high,
            }
        )
    return rows


def images_per_second(engine: Callable[[], Any], count: int) -> Callable[[], float]:
    """A measure: the best of some calls."""

    def measure() -> float:
        best = float("inf")
        for _ in range(ATTEMPTS):
            started = time.perf_counter()
            engine()
            best = min(best, time.perf_counter() - started)
        return count / best

    return measure


def in_default_layout(model: Model, z: Tensor, y: Tensor | None = None) -> Tensor:
    """Images by the same layers on maps that are laid out channel by channel."""
    decoder = next(module for module in model.modules() if isinstance(module, Decoder))
    low = decoder.stem(z if y is None else torch.cat([z, y], dim=1))
    image: Tensor = decoder.convolutions(low.view(len(z), -1, decoder.side, decoder.side))
    return image


def in_bfloat16(model: Model, inputs: dict[str, Tensor]) -> Tensor:
    """Images computed in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        return model.generate(**inputs)


def multiplications(model: Model, inputs: dict[str, Tensor]) -> int:
    """Multiplications (each with an addition) of one image's linear and convolution layers."""
    total = 0

    def count(module: torch.nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, torch.nn.Linear):
            total += module.weight.numel()
        elif isinstance(module, torch.nn.ConvTranspose2d):  # every input pixel meets every weight
            total += module.weight.numel() * given[0].shape[2] * given[0].shape[3]

    hooks = [module.register_forward_hook(count) for module in model.modules()]
    model.generate(**inputs)
    for hook in hooks:
        hook.remove()
    return total


def processes(rounds: int) -> Rows:
    """Whole processes, wall clock: from the start of Python to its end."""
    with tempfile.TemporaryDirectory() as folder:
        weights, file = Path(folder) / "acgan.safetensors", Path(folder) / "acgan.onnx"
        save_model(weights, fresh("acgan"))
        export_onnx(weights, file)
        mien = [sys.executable, "-m", "mien"]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import mien": [sys.executable, "-c", "import mien"],
            "mien --help": [*mien, "--help"],
            "mien sample acgan.onnx": [*mien, "sample", str(file), "--out", str(Path(folder) / "grid.png")],
        }
        figures = interleaved({name: seconds_of(command) for name, command in commands.items()}, rounds)
    rows = []
    for name, figure in figures.items():
        spread = spread_of(figure)
        over = spread_of([one - bare for one, bare in zip(figure, figures["python -c pass"], strict=True)])
        rows.append(
            {"what": name, "seconds": spread.median, "low": spread.low, "high": spread.high, "over_python": over.median}
        )
    return rows


def seconds_of(command: list[str]) -> Callable[[], float]:
    """A measure: how long a process takes."""

    def measure() -> float:
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started

    return measure


if __name__ == "__main__":
    main()
