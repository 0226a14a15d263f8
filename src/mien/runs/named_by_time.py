"""Folders for what is trained without a name of its own."""

from datetime import datetime
from itertools import count
from pathlib import Path

from mien.errors import RunError


def folder_by_time(name: str) -> Path:
    """A new folder in runs/, called after a name and the time; of two that begin in one second the later has -2.

    Raises: RunError where it cannot be made.
    """
    first = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    try:
        first.parent.mkdir(exist_ok=True)
        for number in count(1):
            folder = first if number == 1 else first.with_name(f"{first.name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise RunError(f"{first}: cannot be made ({error}). Choose another folder with --out.") from error
    raise AssertionError("there is always another number")
