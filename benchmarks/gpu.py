"""One table of a GPU in under 8 minutes: training, sampling, memory, and how long the coursework takes.

    PYTHONPATH=src python benchmarks/gpu.py            # wherever PyTorch sees a CUDA device
    PYTHONPATH=src python benchmarks/gpu.py --cpu      # the same path, tiny, on a CPU: whether it works, not how fast

Needs mien's own dependencies and PyTorch 2.11 or later. Training is mien's own trainer, with its log, its images held
by the device as uint8; each update recorded as a CUDA graph or not. The faces of that part are noise, which costs what
faces cost. Then the whole coursework, shortened, runs as a user would start it: `mien run --plan coursework` on drawn
faces, with validation, judge, measurement and report.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from arithmetic import flops_of_image
from measuring import ceilings, conditions_in_words, synchronize, table, write_csv

from mien.faces import Faces
from mien.faces.batches import Batches
from mien.faces.pixel_range import to_stored
from mien.models import build
from mien.models.base import Model
from mien.recipes.recipe import Recipe, apply_overrides, check, load_recipe
from mien.training.config import DeviceName, Precision
from mien.training.devices import Hardware, hardware
from mien.training.loop import Trainer

BUDGET = 450  # seconds for everything
MODELS = ("vae", "gan", "acgan")
PRECISIONS: tuple[Precision, ...] = ("bfloat16", "float32")
COURSEWORK_IMAGES = {"vae": 200 * 40_000, "gan": 50_000 * 128, "acgan": 15_000 * 128}
ATTRIBUTES = ("Male",)


@dataclass(frozen=True)
class Extent:
    """How much is done: on a GPU in earnest, on a CPU just enough to pass every line."""

    device: DeviceName
    faces: int
    overrides: tuple[str, ...]  # of every recipe
    warm_up: int  # steps
    seconds: float  # of training in each setting
    sampled: int  # images at a time
    shortened: int  # the coursework's length is divided by it
    source: str  # of the shortened coursework


GPU = Extent("cuda", 40_000, (), 50, 4.0, 1_024, 20, "drawn:50000")
TINY = Extent(
    "cpu", 256, ("model.width=4", "model.latent_dim=8", "training.batch_size=8"), 5, 0.2, 16, 2_000, "drawn:200"
)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true", help="the same path, tiny, on this machine's CPU")
    given = parser.parse_args()
    if not given.cpu and not torch.cuda.is_available():
        raise SystemExit(
            f"PyTorch {torch.__version__} sees no CUDA device here. Run this where there is one, "
            "or give --cpu to try the same path on a CPU; its figures say nothing of a GPU."
        )
    began = time.monotonic()
    extent = TINY if given.cpu else GPU
    here = ceilings(extent.device)
    faces = noise_faces(extent.faces)
    rows = [row for model in MODELS for row in trainings(model, faces, extent, here.bfloat16_gflops)]
    rows += [sampling(model, faces, extent, precision) for model in MODELS for precision in PRECISIONS]
    rows += lengths(rows)
    rows += shortened_coursework(extent, BUDGET - (time.monotonic() - began))
    path = write_csv("gpu-tiny" if given.cpu else "gpu", rows, trials=1, ceilings=here)
    print(f"{conditions_in_words(here)}\n{table(rows, COLUMNS)}")
    print(f"{time.monotonic() - began:.0f} s in all; written to {path}")


COLUMNS = {
    "what": "",
    "precision": "precision",
    "captured": "captured",
    "images_per_second": "images/s",
    "share_of_bfloat16": "of bfloat16",
    "seconds": "seconds",
    "peak_mib": "peak MiB",
}


def noise_faces(count: int, size: int = 64) -> Faces:
    """Noise with one attribute; all of it is to train on."""
    random = np.random.default_rng(0)
    return Faces(
        images=random.integers(0, 256, (count, size, size, 3), dtype=np.uint8),
        attributes=random.integers(0, 2, (count, len(ATTRIBUTES)), dtype=np.int8),
        attribute_names=ATTRIBUTES,
        split=np.zeros(count, np.uint8),
        files=tuple(f"{index}.png" for index in range(count)),
        fingerprint="noise",
        card={"source": "noise"},
    )


def recipe_of(model: str, extent: Extent, *overrides: str) -> Recipe:
    """The coursework's recipe of a model, endless."""
    content = load_recipe(f"{model}-coursework").model_dump(mode="json", exclude_none=True)
    content["training"].pop("epochs", None)
    content["training"] |= {"steps": 10_000_000, "device": extent.device, "snapshot_every_images": 10**9}
    return check(apply_overrides(content, [*extent.overrides, *overrides]), model)


def trainings(name: str, faces: Faces, extent: Extent, bfloat16_gflops: float) -> Iterator[dict[str, Any]]:
    """The trainer's speed in each setting."""
    flops = flops_of_image(recipe_of(name, extent), faces)
    for precision in PRECISIONS:
        for captured in ("true", "false"):
            recipe = recipe_of(name, extent, f"training.precision={precision}", f"training.cuda_graphs={captured}")
            with memory_counted(extent.device) as peak, hardware(extent.device, precision) as here:
                speed = images_per_second(recipe, faces, here, extent)
            yield {
                "what": f"train {name}",
                "precision": precision,
                "captured": "yes" if captured == "true" and extent.device == "cuda" else "no",
                "images_per_second": speed,
                "flops_of_image": flops,
                "share_of_bfloat16": f"{speed * flops / 1e9 / bfloat16_gflops:.0%}",
                "peak_mib": peak[0],
            }


class Enough(Exception):
    """Raised to leave a training that has been measured."""


def images_per_second(recipe: Recipe, faces: Faces, here: Hardware, extent: Extent) -> float:
    """The trainer's speed once it has warmed up, over some seconds."""
    torch.manual_seed(0)
    model = here.place(build(recipe.model, faces.size))
    batches = Batches(faces, "train", attributes=model.attributes, device=here.device)
    first: list[float] = []  # images seen and time where counting began, once it has
    last: list[float] = []
    batch = recipe.training.batch_size

    def progress(images_seen: int, total: int) -> None:
        if not first and images_seen >= extent.warm_up * batch:
            synchronize(here.device)
            first.extend((images_seen, time.perf_counter()))
        elif first and time.perf_counter() - first[1] >= extent.seconds:
            synchronize(here.device)
            last.extend((images_seen, time.perf_counter()))
            raise Enough

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.safetensors"
        trainer = Trainer(model, batches, recipe.training, here, checkpoint=checkpoint, progress=progress, note=print)
        with suppress(Enough):
            trainer.run()
    return (last[0] - first[0]) / (last[1] - first[1])


def sampling(name: str, faces: Faces, extent: Extent, precision: Precision) -> dict[str, Any]:
    """Images a second from latents to stored pixels in the computer's memory."""
    with memory_counted(extent.device) as peak, hardware(extent.device, precision) as here:
        model = here.place(build(recipe_of(name, extent).model, faces.size)).eval()
        for _ in range(3):
            sample(model, extent.sampled, here)
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < extent.seconds / 2:
            count += sample(model, extent.sampled, here)
        speed = count / (time.perf_counter() - began)
    what = f"sample {name}, {extent.sampled} at a time"
    return {"what": what, "precision": precision, "images_per_second": speed, "peak_mib": peak[0]}


def sample(model: Model, count: int, here: Hardware) -> int:
    """Draw so many images.  -> how many"""
    z = torch.randn(count, model.latent_dim, device=here.device)
    y = torch.ones(count, len(model.attributes), device=here.device) if model.attributes else None
    with torch.inference_mode(), here.autocast():
        return len(to_stored(model.generate(z, y)))


@contextmanager
def memory_counted(device: str) -> Iterator[list[Any]]:
    """Counts the most memory that tensors have held on a GPU within it, in MiB; on a CPU nothing is counted."""
    peak: list[Any] = [""]
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    yield peak
    if device == "cuda":
        peak[0] = torch.cuda.max_memory_allocated() / 2**20


def lengths(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """How long the coursework's trainings take at the fastest speed of each model, without snapshots."""
    seconds = {
        name: images / max(row["images_per_second"] for row in rows if row["what"] == f"train {name}")
        for name, images in COURSEWORK_IMAGES.items()
    }
    yield from (
        {"what": f"projected: {name}, {COURSEWORK_IMAGES[name]:,} images", "seconds": s} for name, s in seconds.items()
    )
    yield {"what": "projected: the three, without snapshots and measurement", "seconds": sum(seconds.values())}


def shortened_coursework(extent: Extent, budget: float) -> Iterator[dict[str, Any]]:
    """`mien run --plan coursework`, shortened: its seconds in all, and in the training of each model."""
    parts = extent.shortened
    overrides = [f"vae.training.epochs={200 / parts}"]
    overrides += [f"gan.training.steps={50_000 // parts}", f"acgan.training.steps={15_000 // parts}"]
    overrides += [f"training.device={extent.device}", *extent.overrides]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "coursework"
        command = [
            sys.executable,
            "-m",
            "mien",
            "run",
            "--plan",
            "coursework",
            "--data",
            extent.source,
            "--out",
            str(out),
        ]
        environment = os.environ | {"MIEN_CACHE": folder}
        began = time.monotonic()
        try:
            subprocess.run(
                [*command, *overrides], env=environment, timeout=budget, check=True, stdout=subprocess.DEVNULL
            )
            outcome = ""
        except subprocess.TimeoutExpired:
            outcome = f" (stopped after {budget:.0f} s)"
        except subprocess.CalledProcessError as error:
            outcome = f" (failed with exit code {error.returncode})"
        yield {
            "what": f"measured: mien run --plan coursework, 1/{parts} of its length{outcome}",
            "seconds": time.monotonic() - began,
        }
        for log in sorted(out.glob("*/log.jsonl")):
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            trained = [line for line in lines if "images_per_second" in line]
            if trained:
                what = f"measured: of it training {log.parent.name}, {trained[-1]['images_seen']:,} images"
                yield {"what": what, "seconds": trained[-1]["seconds"]}


if __name__ == "__main__":
    main()
