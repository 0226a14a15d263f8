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

from mien.errors import RunError, not_allowed, shown

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


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """What `log_line` makes of a file's lines, those left out that are too long.  Raises: as `open_file`."""
    with open_file(path, MOST_LOG) as file:
        begins = True
        while piece := file.readline(LONGEST_LINE):
            ends = piece.endswith(b"\n")
            whole = begins and (ends or len(piece) < LONGEST_LINE)
            if whole and (line := log_line(piece.decode("utf-8", errors="replace"))):
                yield line
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


def count(value: object, name: str, least: int = 0, most: int = MOST) -> int:
    """A whole number.  Raises: ValueError."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name} is {shown(value)}, not a whole number from {least} to {most}")
    return value


def number(value: object) -> float | None:
    """A finite number that NumPy can hold as it is, or None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < MOST:
        return float(value)
    return value if isinstance(value, float) and math.isfinite(value) else None


def words(value: object, name: str) -> list[str]:
    """A list of texts.  Raises: ValueError."""
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError(f"{name} is {shown(value)}, not a list of texts")
    return value


def combinations(value: object, attributes: int) -> list[tuple[list[int], int]]:
    """Values of the attributes, and how many faces have them.  Raises: ValueError."""
    found = []
    for pair in value if isinstance(value, list) else (value,):
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], list):
            raise ValueError(f"combinations hold {shown(pair)}, not values and a count")
        if len(pair[0]) != attributes or not all(known in (0, 1) for known in pair[0]):
            raise ValueError(f"combinations hold {shown(pair[0])}, not {attributes} values of 0 or 1")
        found.append(([int(known) for known in pair[0]], count(pair[1], "a count of combinations")))
    if attributes and not sum(faces for _, faces in found):
        raise ValueError("combinations count no faces")
    return found


def crop(value: object) -> Any:
    """What was kept of each picture: a word, or left, top, right, bottom.  Raises: ValueError."""
    if isinstance(value, list) and len(value) == 4:
        return tuple(count(side, "a side of the crop", most=2**31) for side in value)
    if value not in ("square", "celeba"):
        raise ValueError(f"the crop is {shown(value)}")
    return value


def log_line(text: str) -> dict[str, Any] | None:
    """A line of a log, with those of its entries that are numbers or sentences; None for what is none."""
    try:
        line = json_object(text)
        images_seen = count(line.get("images_seen"), "images_seen")
    except ValueError:
        return None
    kept = {
        name: value
        for name, value in line.items()
        if (KNOWN[name](value) if name in KNOWN else number(value) is not None)
    }
    return kept | {"images_seen": images_seen}


def are_weights(value: object) -> bool:
    """Whether an entry of a log is the weights of its terms."""
    return isinstance(value, dict) and all(number(weight) is not None for weight in value.values())


def is_sentences(value: object) -> bool:
    """Whether an entry of a log is what was said of the training."""
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


KNOWN = {"words": is_sentences, "weights": are_weights}  # entries of a log that are not numbers
