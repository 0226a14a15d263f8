"""Files of runs, opened and checked: what stands in their place, and in them, may come from anybody.

Whatever raises ValueError here is refused in words by who reads the file.
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

    Raises: RunError where something else is in its place, or nobody may look.
    """
    try:
        mode = path.stat().st_mode
    except PermissionError as error:
        raise not_allowed(path, error) from error
    except (OSError, ValueError) as error:  # also for a name that no file can have
        if getattr(error, "errno", None) in (errno.ENOENT, errno.ELOOP) and path.is_symlink():
            raise in_the_way(path, "a link that leads nowhere") from None
        return False
    if not stat.S_ISREG(mode):
        raise in_the_way(path, KINDS.get(stat.S_IFMT(mode), "a device"))
    return True


def in_the_way(path: Path, kind: str) -> RunError:
    """What to say of what is no file."""
    return RunError(f"{path}: is {kind}, where a file is due. Put the file back, or take away what is there.")


def open_file(path: Path, most: int | None = None) -> BinaryIO:
    """A file to read.  most: bytes that it may have

    Raises: RunError where it is none, or may not be read; ValueError where it is too large; OSError.
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
    """Before a library opens a file itself.  Raises: as `open_file`, and RunError for a path that is not UTF-8."""
    open_file(path).close()
    require_utf8(path, "What is in it may be sound: give it, or its folder, another name.")


def require_utf8(path: Path, do: str) -> None:
    """Raises: RunError for a path that safetensors cannot open.  do: what to do then"""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        raise RunError(f"{path}: its path is not UTF-8, as that of weights has to be. {do}") from None


def read_json(path: Path) -> dict[str, Any]:
    """A file with a JSON object.  Raises: as `open_file`, and ValueError for anything else."""
    with open_file(path, MOST_JSON) as file:
        return json_object(file.read(MOST_JSON).decode("utf-8"))


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a log, those left out that are too long.  Raises: as `open_file`."""
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
