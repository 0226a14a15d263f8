"""Writing files whole: beside the path, then renamed."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import not_written

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A place beside the path to write to, which then takes the path's.

    Raises: RunError, in words, where the disk takes no more.
    """
    beside = path.with_name(path.name + ".tmp")
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise not_written(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Write beside, then rename: the path holds the old text or the new, whole.

    Raises: RunError where the disk takes no more.
    """
    with written(path) as beside, beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def write_picture(path: Path, pixels: "NDArray[np.uint8]") -> None:
    """Write a PNG beside, then rename it.  [H,W,3]

    Raises: RunError where the disk takes no more.
    """
    from PIL import Image

    with written(path) as beside:
        Image.fromarray(pixels).save(beside, "PNG")


def digest(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
