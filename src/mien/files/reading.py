"""Files of runs, opened and checked: a run folder, and each file in it, may come from a stranger.

The functions that read a record turn a ValueError from here into a RunError with the file's name.
"""

import errno
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mien.errors import RunError, not_allowed

MOST = 2**63  # of a count
LARGEST_SIDE = 128  # of an image, in pixels
MOST_LATENTS = 65536
MOST_JSON = 16 * 2**20  # bytes of a file; lists in lists take twenty times as much in memory
MOST_LOG, LONGEST_LINE = 256 * 2**20, 2**20  # bytes; a log of a million lines has half as many
KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}


def is_there(path: Path) -> bool:
    """Whether there is a file at a path; it is not opened.

    Raises: RunError where the path is no regular file, or its folder may not be searched.
    """
    try:
        mode = path.stat().st_mode
    except PermissionError as error:
        raise not_allowed(path, error) from error
    except (OSError, ValueError) as error:  # OSError, ValueError: also for a name that no file can have
        if getattr(error, "errno", None) in (errno.ENOENT, errno.ELOOP) and path.is_symlink():
            raise not_a_file(path, "a link that leads nowhere") from None
        return False
    if not stat.S_ISREG(mode):
        raise not_a_file(path, KINDS.get(stat.S_IFMT(mode), "a device"))
    return True


def not_a_file(path: Path, kind: str) -> RunError:
    """The error for a path that is not a regular file.  kind: such as 'a pipe'"""
    found = kind.replace("a ", "the ", 1)
    return RunError(f"{path}: is {kind}, not a regular file. Restore the file, or delete {found}.")


def open_file(path: Path, most: int | None = None) -> BinaryIO:
    """A file to read.  most: its largest size, in bytes

    Raises: RunError where the path is no regular file, or may not be read; ValueError where it is too large; OSError.
    """
    if not is_there(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    try:
        file = path.open("rb")
    except PermissionError as error:
        raise not_allowed(path, error) from error
    if most is not None and (size := os.fstat(file.fileno()).st_size) > most:
        file.close()
        raise ValueError(f"{size:,} bytes, more than the {most:,} that it may have")
    return file


def require_readable(path: Path) -> None:
    """Check a file that a library opens.  Raises: as `open_file`, and RunError for a path that is not UTF-8."""
    open_file(path).close()
    require_utf8(path, "The content may be sound: rename the file, or its folder.")


def require_utf8(path: Path, do: str) -> None:
    """Raises: RunError for a path that safetensors cannot open.  do: the next step, for the message"""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        raise RunError(f"{path}: the path is not UTF-8, and safetensors opens no other. {do}") from None


def read_json(path: Path) -> dict[str, Any]:
    """A file with a JSON object.  Raises: as `open_file`, and ValueError for anything else."""
    with open_file(path, MOST_JSON) as file:
        return json_object(file.read(MOST_JSON).decode("utf-8"))


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a log, without those that are too long.  Raises: as `open_file`."""
    with open_file(path, MOST_LOG) as file:
        begins = True
        while piece := file.readline(LONGEST_LINE):
            ends = piece.endswith(b"\n")
            if begins and (ends or len(piece) < LONGEST_LINE):
                yield piece
            begins = ends


def json_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object.  Raises: ValueError for anything else."""
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError("JSON that is too deep") from None
    if not isinstance(content, dict):
        raise ValueError("JSON, but not an object")
    return content


def number(value: object) -> float | None:
    """A finite number that NumPy can hold as it is, or None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < MOST:
        return float(value)
    return value if isinstance(value, float) and math.isfinite(value) else None
