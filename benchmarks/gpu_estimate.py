"""What a step costs in arithmetic, memory traffic and launches, and so how fast a GPU could be: an estimate.

    python benchmarks/gpu_estimate.py --tflops 798 --copy-gb 3000

The trainer's step runs once on the CPU, and every operation that PyTorch is asked for is counted: its floating-point
operations, the bytes of the tensors that it reads and writes (bfloat16 where autocast says so), and itself as a launch.
The estimate lets nothing overlap: arithmetic at the given ceiling, plus memory at the given speed, plus launches. On a
GPU some operations are fused and others take several launches.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from arithmetic import flops_of_image
from measuring import table, write_csv
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mien.faces import Faces, open_faces
from mien.faces.batches import Batches
from mien.models import build
from mien.recipes.recipe import load_recipe
from mien.training.devices import Hardware
from mien.training.loop import Trainer

RECORDED_LAUNCH = 1.5e-6  # seconds between the kernels of a CUDA graph, about
FREE = ("view", "detach", "alias", "t.", "transpose", "permute", "expand", "slice", "select", "unsqueeze", "split")


class Counted(TorchDispatchMode):
    """Counts operations, and the bytes that they read and write; views are free."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if not str(func).removeprefix("aten.").removeprefix("_").startswith(FREE):
            self.operations += 1
            touched = {t.data_ptr(): t.nbytes for t in tree_leaves((args, kwargs, output)) if isinstance(t, Tensor)}
            self.bytes += sum(touched.values())
        return output


def main() -> None:
    """Count, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tflops", type=float, default=798, help="bfloat16 matrix products, of the GPU")
    parser.add_argument("--copy-gb", type=float, default=3000, help="of memory read and written in a copy, a second")
    parser.add_argument("--source", default="drawn:3000")
    given = parser.parse_args()
    faces = open_faces(given.source, size=64)
    rows = [estimate(model, faces, given.tflops * 1e12, given.copy_gb * 1e9) for model in ("vae", "gan", "acgan")]
    path = write_csv(
        "gpu-estimate", [row | {"tflops": given.tflops, "copy_gb": given.copy_gb} for row in rows], trials=1
    )
    print(f"{table(rows, {column: column.replace('_', ' ') for column in rows[0]})}\nwritten to {path}")


def estimate(name: str, faces: Faces, flops_per_second: float, bytes_per_second: float) -> dict[str, Any]:
    """One model's row."""
    recipe = load_recipe(f"{name}-coursework")
    batch = recipe.training.batch_size
    one, two = (count(recipe, faces, steps) for steps in (1, 2))
    operations, moved = two.operations - one.operations, two.bytes - one.bytes
    flops = flops_of_image(recipe, faces) * batch
    seconds = [flops / flops_per_second, moved / bytes_per_second, operations * RECORDED_LAUNCH]
    return {
        "model": name,
        "gflop_of_step": flops / 1e9,
        "gigabytes_of_step": moved / 1e9,
        "operations_of_step": operations,
        "milliseconds_of_arithmetic": seconds[0] * 1e3,
        "milliseconds_of_memory": seconds[1] * 1e3,
        "milliseconds_of_launches": seconds[2] * 1e3,
        "images_per_second": batch / sum(seconds),
    }


def count(recipe: Any, faces: Faces, steps: int) -> Counted:
    """What so many steps take, with whatever comes before and after them."""
    model = build(recipe.model, faces.size)
    batches = Batches(faces, "train", attributes=model.attributes)
    training = recipe.training.model_copy(update={"epochs": None, "steps": steps})
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.safetensors"
        trainer = Trainer(model, batches, training, Hardware(torch.device("cpu"), "bfloat16"), checkpoint=checkpoint)
        with Counted() as counted:
            trainer.run()
    return counted


if __name__ == "__main__":
    main()
