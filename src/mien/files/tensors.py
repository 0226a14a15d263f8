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

    content: plain JSON, for the metadata; a checksum of content and tensors is added.    keep: where the old file goes.

    Raises: RunError where the file cannot be written.
    """
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = json.loads(json.dumps({key: value for key, value in content.items() if key != "sha256"}))
    metadata = {KEY: json.dumps(content | {"sha256": checksum(whole, content)})}
    try:
        with replacing(path, keep=keep) as (place,):
            place.touch()
            mode = stat.S_IMODE(place.stat().st_mode)
            safetensors.torch.save_file(whole, place, metadata)
            place.chmod(mode)  # safetensors writes files that only their owner can read
    except (OSError, safetensors.SafetensorError) as error:
        raise not_written(path, error) from error


def checksum(tensors: dict[str, Tensor], content: dict[str, Any]) -> str:
    """SHA-256 of tensors on the CPU, their names and shapes, and the JSON content of their file."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_header(path: Path) -> tuple[dict[str, Any], Shapes]:
    """The JSON content of a file, without its checksum, and the shapes of its tensors, which are not loaded.

    Raises: OSError; one of UNREADABLE for a damaged file; RunError where the file may not be read.
    """
    require_readable(path)
    with safetensors.safe_open(path, framework="pt") as file:
        content = json_object(file.metadata()[KEY])
        names = file.keys()
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    content.pop("sha256", None)
    return content, shapes


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The JSON content of a file and its tensors, on the CPU, compared with the file's checksum.

    Files of the first versions have no checksum and are not compared.

    Raises: as `read_header`.
    """
    require_readable(path)
    with safetensors.safe_open(path, framework="pt") as file:
        content = json_object(file.metadata()[KEY])
        names = file.keys()
        tensors = {name: file.get_tensor(name) for name in names}
    written = content.pop("sha256", None)
    if written is not None and written != checksum(tensors, content):
        raise ValueError("its checksum does not match: the file has changed since it was written")
    return content, tensors
