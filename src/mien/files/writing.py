"""Writing files whole: beside their places, then renamed."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import not_written

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@contextmanager
def replacing(*paths: Path, shared: bool = False, keep: Path | None = None) -> Iterator[list[Path]]:
    """Temporary paths to write new files to, which then replace those at the paths: each is the old file or the new.

    If an error comes before the first replacement, all files stay as they are and the temporary files are deleted.

    shared: other processes may write the same files, or keep files of their own beside them.
    keep: where the old file of the first path goes.

    Raises: OSError where a file cannot be written.
    """
    names = [f".mien-{secrets.token_hex(8)}{path.suffix}" if shared else f"{path.name}.tmp" for path in paths]
    places = [path.with_name(name) for path, name in zip(paths, names, strict=True)]
    try:
        for place in places:
            place.unlink(missing_ok=True)  # left by a killed process
        yield places
        for place in places:
            with place.open("r+b") as file:
                os.fsync(file.fileno())
        if keep and paths[0].exists():
            paths[0].replace(keep)
        for place, path in zip(places, paths, strict=True):
            place.replace(path)
    finally:
        for place in places:
            with suppress(OSError):
                place.unlink(missing_ok=True)


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A path to write a file of a run to, as in `replacing`.  Raises: RunError where the file cannot be written."""
    try:
        with replacing(path) as (place,):
            yield place
    except OSError as error:
        raise not_written(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Write a text whole.  Raises: RunError where the file cannot be written."""
    with written(path) as place:
        place.write_text(text, encoding="utf-8")


def write_picture(path: Path, pixels: "NDArray[np.uint8]") -> None:
    """Write a PNG whole.  [H,W,3]    Raises: RunError where the file cannot be written."""
    from PIL import Image

    with written(path) as place:
        Image.fromarray(pixels).save(place, "PNG")


def digest(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
