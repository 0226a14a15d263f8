"""The state of a training on disk: one safetensors file, no pickle, replaced atomically."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
from torch import Tensor

from mien.errors import RunError

if TYPE_CHECKING:
    from mien.train import Trainer

FORMAT = 1


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file beside the path, then rename it: the path holds the old file or the new, whole.

    Raises: RunError where the disk takes no more.
    """
    beside = path.with_name(path.name + ".tmp")
    try:
        safetensors.torch.save_file({name: t.contiguous() for name, t in tensors.items()}, beside, metadata)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except (OSError, safetensors.SafetensorError) as error:
        beside.unlink(missing_ok=True)
        raise RunError(
            f"{path}: could not be written ({error}). What was there before is unharmed. "
            "Make room on the disk, then `mien resume` the run."
        ) from error


def save_checkpoint(trainer: "Trainer") -> None:
    """Everything that going on exactly needs."""
    tensors = {f"model/{name}": t for name, t in trainer.model.state_dict().items()}
    if trainer.average:
        tensors |= {f"average/{name}": t for name, t in trainer.average.model.state_dict().items()}
    for moves, optimizer in trainer.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{'+'.join(moves)}/{index}/{key}": value for key, value in state.items()}
    progress = {
        "format": FORMAT,
        "images_seen": trainer.images_seen,
        "seconds": trainer.seconds,
        "sums": {name: value.item() for name, value in trainer.meter.sums.items()},
        "counts": trainer.meter.counts,
        "last": trainer.meter.last,
    }
    write_tensors(trainer.checkpoint, tensors, {"mien": json.dumps(progress)})


def read_progress(path: Path) -> dict[str, Any]:
    """The numbers of a checkpoint: format, images_seen, seconds.

    Raises: RunError for a file that is not a checkpoint of this format.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            progress: dict[str, Any] = json.loads(file.metadata()["mien"])
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path}: is not a checkpoint that can be read ({error}). Delete it to train this run from the start."
        ) from error
    if progress.get("format") != FORMAT:
        raise RunError(
            f"{path}: is a checkpoint of format {progress.get('format')}; this version of mien reads format {FORMAT}. "
            "Use the version that provenance.json names, or delete it to train from the start."
        )
    return progress


def load_checkpoint(trainer: "Trainer") -> None:
    """Put a trainer back to where the checkpoint was written.

    Raises: RunError for a file that is not a checkpoint, or not this model's.
    """
    progress = read_progress(trainer.checkpoint)
    device = str(trainer.hardware.device)
    try:
        tensors = safetensors.torch.load_file(trainer.checkpoint, device=device)
        trainer.model.load_state_dict(under("model/", tensors))
        if trainer.average:
            trainer.average.model.load_state_dict(under("average/", tensors))
        for moves, optimizer in trainer.optimizers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for name, tensor in under(f"optimizer/{'+'.join(moves)}/", tensors).items():
                index, key = name.split("/")
                state.setdefault(int(index), {})[key] = tensor
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    except (RuntimeError, ValueError, safetensors.SafetensorError) as error:
        raise RunError(
            f"{trainer.checkpoint}: does not fit the run's recipe ({' '.join(str(error).split())[:200]}). "
            "Was recipe.toml edited? Put it back, or delete the checkpoint to train from the start."
        ) from error
    trainer.images_seen, trainer.seconds = progress["images_seen"], progress["seconds"]
    meter = trainer.meter
    meter.counts, meter.last = progress["counts"], tuple(progress["last"])
    meter.sums = {name: next(trainer.model.parameters()).new_tensor(s) for name, s in progress["sums"].items()}


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
