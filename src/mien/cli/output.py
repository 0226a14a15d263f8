"""Standard output and standard error: in any encoding, and also after their reader has closed them."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from mien.errors import printable


def say(words: str) -> None:
    """Print one line; names of files and attributes in it cannot act on the terminal."""
    print(printable(words), flush=True)


class Lasting:
    """A stream that outlasts its reader: once the pipe is closed or the disk full, what is written goes nowhere."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.failure: OSError | None = None  # the first

    def write(self, text: str) -> int:
        """Write; after a failure, to nowhere."""
        try:
            self.stream.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush; after a failure, to nowhere."""
        try:
            self.stream.flush()
        except OSError as error:
            self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _give_up(self, error: OSError) -> None:
        """Send all further output, also of the interpreter at its end, to the null device."""
        self.failure = self.failure or error
        with suppress(OSError):  # of a stream that is no file
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)


@contextmanager
def lasting_output() -> Iterator[Lasting]:
    """Have sys.stdout and sys.stderr take every character, and outlast their readers.  -> the first"""
    before = sys.stdout, sys.stderr
    out, err = (Lasting(stream or open(os.devnull, "w")) for stream in before)  # noqa: PTH123, SIM115 - for good
    for lasting in (out, err):
        if isinstance(lasting.stream, io.TextIOWrapper):
            lasting.stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before
