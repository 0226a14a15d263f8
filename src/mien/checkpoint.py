"""The state of a training on disk: one safetensors file with a checksum, no pickle, and the one before it.

A file is written beside its place, then renamed, so that a kill leaves the old one or the new one, whole. What a disk
does to it afterwards shows in its checksum.
"""

import contextlib
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mien.errors import RunError, in_one_line, not_written, shown
from mien.foreign import is_there, json_object, require_readable

Shapes = dict[str, tuple[int, ...]]
FORMAT = 1
KEY = "mien"  # of the metadata, whose other keys safetensors would write in any order
UNREADABLE = (safetensors.SafetensorError, KeyError, TypeError, ValueError, RuntimeError)  # what a damaged file raises


def write_tensors(path: Path, tensors: dict[str, Tensor], content: dict[str, Any], keep: Path | None = None) -> None:
    """Write a safetensors file beside the path, then rename it: the path holds the old file or the new, whole.

    content: plain JSON, which goes into its metadata with a checksum of all.    keep: where the old file goes.

    Raises: RunError where the disk takes no more.
    """
    beside = path.with_name(path.name + ".tmp")
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = json.loads(json.dumps({key: value for key, value in content.items() if key != "sha256"}))
    metadata = {KEY: json.dumps(content | {"sha256": checksum(whole, content)})}
    try:
        mode = made(beside)
        safetensors.torch.save_file(whole, beside, metadata)
        beside.chmod(mode)  # safetensors lets nobody else read what it writes
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        if keep and path.exists():
            path.replace(keep)
        beside.replace(path)
    except (OSError, safetensors.SafetensorError) as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise not_written(path, error) from error


def made(path: Path) -> int:
    """Make an empty file, whatever a kill has left there.  -> its mode, as the process's umask has it"""
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        return stat.S_IMODE(os.fstat(file.fileno()).st_mode)


def checksum(tensors: dict[str, Tensor], content: dict[str, Any]) -> str:
    """SHA-256 of tensors on the CPU with their names and shapes, and of what is written with them."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_content(path: Path) -> dict[str, Any]:
    """What is written with the tensors of a file, its checksum left out; the tensors are not looked at.

    Raises: OSError, one of UNREADABLE, or RunError where it is not the file's fault.
    """
    return read_header(path)[0]


def read_header(path: Path) -> tuple[dict[str, Any], Shapes]:
    """What is written with the tensors of a file, its checksum left out, and their shapes; they are not loaded.

    Raises: as `read_content`.
    """
    require_readable(path)
    with safetensors.safe_open(path, framework="pt") as file:
        content = json_object(file.metadata()[KEY])
        names = file.keys()
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    content.pop("sha256", None)
    return content, shapes


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What is written with the tensors of a file, and the tensors, on the CPU, if they are as they were written.

    A file that was written before there were checksums is taken as it is.

    Raises: as `read_content`.
    """
    require_readable(path)
    with safetensors.safe_open(path, framework="pt") as file:
        content = json_object(file.metadata()[KEY])
        names = file.keys()
        tensors = {name: file.get_tensor(name) for name in names}
    written = content.pop("sha256", None)
    if written is not None and written != checksum(tensors, content):
        raise ValueError("its checksum is not that of what was written: the disk has changed it")
    return content, tensors


def save_checkpoint(
    path: Path, modules: dict[str, nn.Module], optimizers: dict[str, Optimizer], progress: dict[str, Any]
) -> None:
    """Write weights, optimizer states and numbers (plain JSON) in one file; the one that was there stays beside it.

    Raises: RunError where the disk takes no more.
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

    -> in words, what was wrong and where the training goes on; '' where nothing was.

    Raises: RunError where there is a checkpoint, and none that is sound and of this version.
    """
    earlier = one_before(path)
    is_left = is_there(earlier)
    if not (is_there(path) or is_left):
        return ""
    if not (wrong := damage(path)):
        read_progress(path)  # of this version, or nothing is touched
        return ""
    if not is_left:
        raise RunError(f"{path}: is not a checkpoint that can be read ({wrong}). Delete it to train from the start.")
    if wrong_too := damage(earlier):
        raise RunError(
            f"{path}: is not a checkpoint that can be read ({wrong}), nor is the one before it ({wrong_too}). "
            f"Delete it and {earlier.name} to train from the start."
        )
    images_seen = read_progress(earlier)["images_seen"]
    earlier.replace(path)
    return f"{path}: {wrong}; the checkpoint before it is sound, and training goes on from its {images_seen:,} images"


def damage(path: Path) -> str:
    """What keeps a file of tensors from being read, in words; '' for one that is sound.

    Raises: RunError where it is not the file's fault.
    """
    try:
        read_tensors(path)
    except FileNotFoundError:
        return "it is missing"
    except (OSError, *UNREADABLE) as error:
        return in_one_line(error)
    return ""


def read_progress(path: Path) -> dict[str, Any]:
    """The numbers of a checkpoint: format, images_seen, seconds.

    Raises: RunError for a file that is not a checkpoint of this format, or may not be read.
    """
    try:
        progress = read_content(path)
    except (OSError, *UNREADABLE) as error:
        raise RunError(
            f"{path}: is not a checkpoint that can be read ({in_one_line(error)}). Delete it to train from the start."
        ) from error
    if progress.get("format") != FORMAT:
        raise RunError(
            f"{path}: is a checkpoint of format {shown(progress.get('format'))}; this version of mien reads format "
            f"{FORMAT}. Use the version that provenance.json names, or delete it to train from the start."
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
        tensors = {name: tensor.to(device) for name, tensor in read_tensors(path)[1].items()}
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
    except UNREADABLE as error:
        raise RunError(
            f"{path}: does not fit the run's recipe ({in_one_line(error)}). "
            "Was recipe.toml edited? Put it back, or delete the checkpoint to train from the start."
        ) from error
    return progress


def laid_out_like(parameter: Tensor, tensor: Tensor) -> Tensor:
    """A tensor of an optimizer in the memory layout of its parameter, as fused kernels demand; others as they are."""
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
