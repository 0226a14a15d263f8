"""Peak memory of each preset: a short training on the CPU in a process of its own.

    python benchmarks/memory.py

What is counted is the memory of the process at its highest, over what it held once everything was imported: weights,
gradients, optimizer, activations of a batch, the first snapshot with its judge. The judge is trained before. Training
reads faces from a file that the system maps; those pages are counted as far as they are there. Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PRESETS = tuple(f"{model}-{kind}" for kind in ("quick", "coursework") for model in ("vae", "gan", "acgan"))
STEPS = 4


def main() -> None:
    """Measure, print and write; or, with --preset, measure one in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="drawn:3000", help="faces, as for mien train")
    parser.add_argument("--preset", choices=PRESETS, help="measure this one here, and print JSON")
    given = parser.parse_args()
    if given.preset:
        print(json.dumps(measure(given.preset, given.source)))
        return
    from measuring import table, write_csv

    train_judges(given.source)
    rows = [in_a_fresh_process(preset, given.source) for preset in PRESETS]
    path = write_csv("memory", rows, trials=1)
    print(f"{table(rows, COLUMNS)}\nwritten to {path}")


COLUMNS = {
    "preset": "",
    "size": "image",
    "batch": "batch",
    "precision": "precision",
    "million_parameters": "M parameters",
    "imported_mib": "imported MiB",
    "peak_mib": "peak MiB",
    "training_mib": "training MiB",
}


def train_judges(source: str) -> None:
    """Train the judge of each image size, where none is kept from before."""
    from mien.faces import open_faces
    from mien.judge import judge_of
    from mien.recipes.recipe import load_recipe

    for size in {load_recipe(preset).data.size for preset in PRESETS}:
        judge_of(open_faces(source, size=size))


def in_a_fresh_process(preset: str, source: str) -> dict[str, Any]:
    """What a process of its own measures."""
    command = [sys.executable, __file__, "--preset", preset, "--source", source]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    row: dict[str, Any] = json.loads(printed)
    return row


def measure(preset: str, source: str) -> dict[str, Any]:
    """Train a preset for a few steps, as `mien train` does, and look at this process's memory."""
    from mien.recipes.recipe import apply_overrides, check, load_recipe, with_source
    from mien.sessions.train import start_run, train_run

    recipe = with_source(load_recipe(preset), source)
    content = recipe.model_dump(mode="json", exclude_none=True)
    content["training"].pop("epochs", None)
    content["training"]["device"] = "cpu"
    recipe = check(apply_overrides(content, [f"training.steps={STEPS}"]), preset)
    imported = held("VmRSS")
    with tempfile.TemporaryDirectory() as folder:
        run, faces = start_run(recipe, Path(folder) / "run")
        train_run(run, faces)
        precision = run.provenance().starts[-1].precision
    peak = held("VmHWM")
    return {
        "preset": preset,
        "size": recipe.data.size,
        "batch": recipe.training.batch_size,
        "precision": precision,
        "million_parameters": parameters_of(recipe) / 1e6,
        "imported_mib": imported / 2**20,
        "peak_mib": peak / 2**20,
        "training_mib": (peak - imported) / 2**20,
    }


def parameters_of(recipe: Any) -> int:
    """How many numbers a recipe's networks learn."""
    from mien.models import build

    return sum(parameter.numel() for parameter in build(recipe.model, recipe.data.size).parameters())


def held(what: str) -> int:
    """Memory of this process in bytes.  what: VmRSS now, VmHWM at its highest"""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


if __name__ == "__main__":
    main()
