"""How far weights drift apart where only the number of threads differs; and that nothing else makes them differ.

    python verification/determinism.py [--threads 1 2] [--steps 1 10 300]

A VAE and a GAN are trained on drawn faces from the same seed, twice with each number of threads. Drift is the root of
the mean squared difference of all weights to those by the first number of threads, over the root mean square of how
far training has moved them. For the VAE the mean squared error of test faces, pixels in [-1, 1], stands beside it.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from recording import record

import torch
from measuring import table
from torch import Tensor

from mien.faces import Faces, open_faces
from mien.faces.batches import Batches, to_signed
from mien.metrics.encoder.reconstruction import through
from mien.models import build
from mien.models.base import Encodes, Model
from mien.recipes.recipe import load_recipe
from mien.training.devices import Hardware
from mien.training.loop import Trainer

MODELS = {"vae": "vae-plain", "gan": "gan-plain"}


def trained(name: str, steps: int, threads: int, faces: Faces) -> Model:
    """A model after so many steps by so many threads."""
    torch.set_num_threads(threads)
    recipe = load_recipe(MODELS[name], ["training.precision=float32"])
    torch.manual_seed(0)
    model = build(recipe.model, recipe.data.size)
    if steps:
        training = recipe.training.model_copy(update={"steps": steps, "epochs": None, "ema_decay": 0.0})
        here = Hardware(torch.device("cpu"), "float32")
        with tempfile.TemporaryDirectory() as folder:
            Trainer(model, Batches(faces, "train"), training, here, checkpoint=Path(folder) / "checkpoint").run()
    return model


def weights(model: Model) -> Tensor:
    """All weights in a row."""
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_mse(model: Model, faces: Faces) -> float | None:
    """Mean squared error of test faces given back; None for a model that gives none back."""
    if not isinstance(model, Encodes):
        return None
    x = to_signed(faces.images[faces.rows("test")])
    return float((through(model, x, None) - x).square().mean())


def rows_of(name: str, steps: int, threads: list[int], faces: Faces) -> list[dict[str, Any]]:
    """What each number of threads comes to, beside the first."""
    start, rows = weights(trained(name, 0, 1, faces)), []
    first = None
    for number in threads:
        models = [trained(name, steps, number, faces) for _ in range(2)]
        one, other = map(weights, models)
        first = one if first is None else first
        drift = float((one - first).square().mean().sqrt() / (first - start).square().mean().sqrt())
        again = "equal" if torch.equal(one, other) else "not equal"
        rows.append(
            {"model": name, "steps": steps, "by_threads": number, "again": again, "drift": drift}
            | {"test_mse": test_mse(models[0], faces)}
        )
    return rows


def main() -> int:
    """-> 0; 1 where the same number of threads gave other weights"""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="default: %(default)s")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 10, 300], help="default: %(default)s")
    args = parser.parse_args()
    faces = open_faces("drawn:2000", size=32)
    rows = [row for name in MODELS for steps in args.steps for row in rows_of(name, steps, args.threads, faces)]
    print(table(rows, {key: key for key in rows[0]}))
    print(record("determinism", rows, trials=2))
    return int(any(row["again"] != "equal" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
