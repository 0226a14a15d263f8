"""What the checksum of a checkpoint costs: of the coursework's VAE with Adam, written to a disk and read back.

python benchmarks/checkpoint_cost.py [--folder FOLDER] [--rounds 5]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measuring

from mien.files.tensors import checksum, read_tensors
from mien.models import build
from mien.recipes.recipe import load_recipe
from mien.training.checkpoint import save_checkpoint
from mien.training.loop import make_optimizer, parameters


def seconds(work: Callable[[], Any]) -> float:
    """How long some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> int:
    """-> 0"""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="on the disk to write to (default: for temporary files)")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    args = parser.parse_args()
    recipe = load_recipe("vae-coursework", ["training.optimizer=adam"])
    model = build(recipe.model, recipe.data.size)
    (phase,) = model.phases
    optimizer = make_optimizer(parameters(model, phase), recipe.training)
    for parameter in model.parameters():
        parameter.grad = parameter.detach().clone()
    optimizer.step()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / "checkpoint.safetensors"
        save_checkpoint(path, {"model": model}, {"all": optimizer}, {"images_seen": 0})
        content, tensors = read_tensors(path)
        found = measuring.interleaved(
            {
                "write_with_checksum": lambda: seconds(
                    lambda: save_checkpoint(path, {"model": model}, {"all": optimizer}, {"images_seen": 0})
                ),
                "checksum": lambda: seconds(lambda: checksum(tensors, content)),
                "read_with_checksum": lambda: seconds(lambda: read_tensors(path)),
            },
            args.rounds,
        )
        megabytes = path.stat().st_size / 1e6
    rows = [
        {"what": name, "megabytes": megabytes, "seconds": measuring.spread_of(figures).median, "of": str(figures)}
        for name, figures in found.items()
    ]
    print(measuring.table(rows, {"what": "what", "megabytes": "MB", "seconds": "seconds"}))
    print(measuring.write_csv("checkpoint_cost", rows, trials=args.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
