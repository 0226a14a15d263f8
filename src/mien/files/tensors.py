"""Files of tensors (safetensors): written whole with a checksum, read with suspicion."""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from mien.errors import not_written
from mien.files.reading import json_object, require_readable
from mien.files.writing import replacing

Shapes = dict[str, tuple[int, ...]]
KEY = "mien"  # of the metadata, whose other keys safetensors would write in any order
UNREADABLE = (safetensors.SafetensorError, KeyError, TypeError, ValueError, RuntimeError)  # what a damaged file raises


def write_tensors(path: Path, tensors: dict[str, Tensor], content: dict[str, Any], keep: Path | None = None) -> None:
    """Write a safetensors file whole.

    content: plain JSON, which goes into its metadata with a checksum of all.    keep: where the old file goes.

    Raises: RunError where the disk takes no more.
    """
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = json.loads(json.dumps({key: value for key, value in content.items() if key != "sha256"}))
    metadata = {KEY: json.dumps(content | {"sha256": checksum(whole, content)})}
    try:
        with replacing(path, keep=keep) as (place,):
            place.touch()
            mode = stat.S_IMODE(place.stat().st_mode)
            safetensors.torch.save_file(whole, place, metadata)
            place.chmod(mode)  # safetensors lets nobody else read what it writes
    except (OSError, safetensors.SafetensorError) as error:
        raise not_written(path, error) from error


def checksum(tensors: dict[str, Tensor], content: dict[str, Any]) -> str:
    """SHA-256 of tensors on the CPU with their names and shapes, and of what is written with them."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_header(path: Path) -> tuple[dict[str, Any], Shapes]:
    """What is written with the tensors of a file, its checksum left out, and their shapes; they are not loaded.

    Raises: OSError, one of UNREADABLE, or RunError where it is not the file's fault.
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

    Raises: as `read_header`.
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
