"""The state of a training on disk: one safetensors file, no pickle, replaced atomically."""

import json
import os
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mien.errors import RunError

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


def save_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimizers: dict[str, Optimizer], progress: dict[str, Any]
) -> None:
    """Write weights, optimizer states and numbers (plain JSON) in one file.

    Raises: RunError where the disk takes no more.
    """
    tensors = {f"{name}/{key}": t for name, module in modules.items() for key, t in module.state_dict().items()}
    for name, optimizer in optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{name}/{index}/{key}": value for key, value in state.items()}
    write_tensors(path, tensors, {"mien": json.dumps({"format": FORMAT} | progress)})


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


def load_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimizers: dict[str, Optimizer], device: torch.device
) -> dict[str, Any]:
    """Put modules and optimizers back to where the checkpoint was written.  -> its numbers

    Raises: RunError for a file that is not a checkpoint, or not of these modules.
    """
    progress = read_progress(path)
    try:
        tensors = safetensors.torch.load_file(path, device=str(device))
        for name, module in modules.items():
            module.load_state_dict(under(f"{name}/", tensors))
        for name, optimizer in optimizers.items():
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            state: dict[int, dict[str, Tensor]] = {}
            for index_and_key, tensor in under(f"optimizer/{name}/", tensors).items():
                index, key = index_and_key.split("/")
                state.setdefault(int(index), {})[key] = laid_out_like(parameters[int(index)], tensor)
            fresh = optimizer.state_dict()
            if any(fresh["state"][index].keys() != state.get(index, {}).keys() for index in fresh["state"]):
                raise ValueError(f"it holds the state of another optimizer for {name}")
            optimizer.load_state_dict({"state": state, "param_groups": fresh["param_groups"]})
    except (RuntimeError, ValueError, safetensors.SafetensorError) as error:
        raise RunError(
            f"{path}: does not fit the run's recipe ({' '.join(str(error).split())[:200]}). "
            "Was recipe.toml edited? Put it back, or delete the checkpoint to train from the start."
        ) from error
    return progress


def laid_out_like(parameter: Tensor, tensor: Tensor) -> Tensor:
    """A tensor of an optimizer in the memory layout of its parameter, as fused kernels demand; others as they are."""
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
