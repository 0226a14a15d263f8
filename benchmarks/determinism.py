"""How far weights drift apart where only the number of threads differs; and that nothing else makes them differ.

    python benchmarks/determinism.py [--threads 1 2] [--steps 1 30]

A VAE and a GAN are trained on drawn faces from the same seed, each by processes of their own: twice with each number of
threads. Drift is the root of the mean squared difference of all weights to those by the first number of threads, over
the root mean square of how far training has moved them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import measuring
import safetensors.torch
import torch
from torch import Tensor

from mien.faces import open_faces
from mien.faces.batches import Batches
from mien.hardware import Hardware
from mien.models import build
from mien.recipe import load_recipe
from mien.train import Trainer

MODELS = {"vae": "vae-quick", "gan": "gan-quick"}


def train(name: str, steps: int, file: Path) -> None:
    """Write the weights after so many steps, those at the start with 0."""
    recipe = load_recipe(MODELS[name], ["training.precision=float32"])
    torch.manual_seed(0)
    model = build(recipe.model, recipe.data.size)
    if steps:
        batches = Batches(open_faces("drawn:2000", size=recipe.data.size), "train", seed=0)
        training = recipe.training.model_copy(update={"steps": steps, "epochs": None, "ema_decay": 0.0})
        here = Hardware(torch.device("cpu"), "float32")
        Trainer(model, batches, training, here, checkpoint=file.with_suffix(".checkpoint")).run()
    safetensors.torch.save_file(dict(model.named_parameters()), file)


def weights(name: str, steps: int, threads: int, folder: Path, turn: int = 0) -> Tensor:
    """All weights in a row, as a process with so many threads leaves them."""
    file = folder / f"{name}-{steps}-{threads}-{turn}.safetensors"
    command = [sys.executable, __file__, "--train", name, str(steps), str(file)]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": str(threads)})
    return torch.cat([tensor.flatten() for _, tensor in sorted(safetensors.torch.load_file(file).items())])


def rows_of(name: str, steps: int, threads: list[int], folder: Path) -> list[dict[str, Any]]:
    """What each number of threads comes to, beside the first."""
    start, rows = weights(name, 0, 1, folder), []
    first = weights(name, steps, threads[0], folder)
    for number in threads:
        one, other = (weights(name, steps, number, folder, turn) for turn in (1, 2))
        drift = float((one - first).square().mean().sqrt() / (first - start).square().mean().sqrt())
        again = "equal" if torch.equal(one, other) else "not equal"
        rows.append({"model": name, "steps": steps, "threads": number, "the same again": again, "drift": drift})
    return rows


def main() -> int:
    """-> 0; 1 where the same number of threads gave other weights"""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="default: %(default)s")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 30], help="default: %(default)s")
    parser.add_argument("--train", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train:
        train(args.train[0], int(args.train[1]), Path(args.train[2]))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            row for name in MODELS for steps in args.steps for row in rows_of(name, steps, args.threads, Path(folder))
        ]
    print(measuring.table(rows, {key: key for key in rows[0]}))
    print(measuring.write_csv("determinism", rows, trials=2))
    return int(any(row["the same again"] != "equal" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
