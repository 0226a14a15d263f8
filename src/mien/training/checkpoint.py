"""The state of a training on disk: one safetensors file with a checksum, no pickle, and the one before it.

A file is written beside its place, then renamed, so that a kill leaves the old one or the new one, whole. Its checksum
shows later damage by a disk.
"""

from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from mien.errors import RunError, in_one_line
from mien.files.reading import is_there
from mien.files.tensors import UNREADABLE, read_header, read_tensors, write_tensors
from mien.files.validation import Count, Finite, Record, checked, require_format

FORMAT = 1


class Progress(Record):
    """How far a training has come, and what its meter has counted since the last line of the log.

    seconds: of training.    halvings: of each batch, because it did not fit into memory.
    """

    images_seen: Count
    seconds: Finite
    sums: dict[str, float]
    counts: dict[str, Count]
    last: tuple[Count, Finite]
    halvings: Annotated[Count, Field(le=64)] = 0


def save_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimizers: dict[str, Optimizer], progress: dict[str, Any]
) -> None:
    """Write weights, optimizer states and numbers (plain JSON) in one file; the one that was there stays beside it.

    Raises: RunError where the file cannot be written.
    """
    tensors = {f"{name}/{key}": t for name, module in modules.items() for key, t in module.state_dict().items()}
    for name, optimizer in optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{name}/{index}/{key}": value for key, value in state.items()}
    write_tensors(path, tensors, {"format": FORMAT} | progress, keep=one_before(path))


def one_before(path: Path) -> Path:
    """Where the checkpoint before the one at this path is."""
    return path.with_name(f"{path.stem}-before{path.suffix}")


def recover(path: Path) -> str:
    """Put the checkpoint before the last one in its place, where the last one is damaged or missing.

    -> a sentence: the damage, and where the training goes on; '' for a sound checkpoint.

    Raises: RunError where no checkpoint that is there is sound and of this version.
    """
    earlier = one_before(path)
    is_left = is_there(earlier)
    if not (is_there(path) or is_left):
        return ""
    if not (wrong := find_damage(path)):
        read_progress(path)  # raises for another version, before any file is moved
        return ""
    if not is_left:
        raise RunError(f"{path}: is not a checkpoint that can be read ({wrong}). Delete it to train from the start.")
    if wrong_too := find_damage(earlier):
        raise RunError(
            f"{path}: is not a checkpoint that can be read ({wrong}), nor is the one before it ({wrong_too}). "
            f"Delete it and {earlier.name} to train from the start."
        )
    images_seen = read_progress(earlier).images_seen
    earlier.replace(path)
    return f"{path}: {wrong}; the checkpoint before it is sound, and training goes on from its {images_seen:,} images"


def find_damage(path: Path) -> str:
    """The damage of a file of tensors, in words; '' for a sound file.

    Raises: RunError where the file may not be read.
    """
    try:
        read_tensors(path)
    except FileNotFoundError:
        return "it is missing"
    except (OSError, *UNREADABLE) as error:
        return in_one_line(error)
    return ""


def read_progress(path: Path) -> Progress:
    """The numbers of a checkpoint.

    Raises: RunError for a file that is not a checkpoint of this format, or may not be read.
    """
    instead = "Use the version that provenance.json names, or delete it to train from the start."
    try:
        content, _ = read_header(path)
        require_format(path, "a checkpoint", content.get("format"), FORMAT, instead)
        return checked(Progress, content)
    except (OSError, *UNREADABLE) as error:
        raise RunError(
            f"{path}: is not a checkpoint that can be read ({in_one_line(error)}). Delete it to train from the start."
        ) from error


def load_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimizers: dict[str, Optimizer], device: torch.device
) -> Progress:
    """Put modules and optimizers back to where the checkpoint was written.  -> its numbers

    Raises: RunError for a file that is not a checkpoint, or not of these modules.
    """
    progress = read_progress(path)
    try:
        tensors = {name: tensor.to(device) for name, tensor in read_tensors(path)[1].items()}
        for name, module in modules.items():
            module.load_state_dict(select_prefix(f"{name}/", tensors))
        for name, optimizer in optimizers.items():
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            state: dict[int, dict[str, Tensor]] = {}
            for index_and_key, tensor in select_prefix(f"optimizer/{name}/", tensors).items():
                index, key = index_and_key.split("/")
                state.setdefault(int(index), {})[key] = laid_out_like(parameters[int(index)], tensor)
            fresh = optimizer.state_dict()
            if any(fresh["state"][index].keys() != state.get(index, {}).keys() for index in fresh["state"]):
                raise ValueError(f"it holds the state of another optimizer for {name}")
            optimizer.load_state_dict({"state": state, "param_groups": fresh["param_groups"]})
    except UNREADABLE as error:
        raise RunError(
            f"{path}: does not fit the run's recipe ({in_one_line(error)}). "
            "Was recipe.toml edited? Restore it, or delete the checkpoint to train from the start."
        ) from error
    return progress


def laid_out_like(parameter: Tensor, tensor: Tensor) -> Tensor:
    """A tensor of an optimizer in the memory layout of its parameter, as fused kernels demand; others as they are."""
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor


def select_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
