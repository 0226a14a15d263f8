"""The one format of hostile cases, a row each, and how a case is tried.

A case is tried in an empty folder: its input is made there and given to a reader. It ends well where the reader succeeds
and gives what was expected, or refuses the input with one of mien's own errors, in a sentence that a terminal can show on
one line.
"""

import os
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

Ending = Literal["success", "refusal", "either"]
SECONDS = 10  # of a processor: the most that a case may take
WAITING = 6  # times as long by the clock, since machines are shared; what waits for a pipe waits for ever
LONGEST = 1500  # characters of a message


@dataclass(frozen=True)
class Reader:
    """What an input is given to: a function or a command of mien.  file: what an input of bytes is written as"""

    read: Callable[..., object]
    file: str = ""


@dataclass(frozen=True)
class Case:
    """One row.

    input: the bytes of a file, or a function that makes it in an empty folder and returns what the reader gets, as a
    tuple where those are several, None where it is the folder.    reader: a name in `hostile_readers.READERS`.
    expected: how it has to end.    gives: what a reader that succeeds returns.    says: a pattern in every refusal.
    """

    group: str
    name: str
    input: bytes | Callable[[Path], Any]
    reader: str
    expected: Ending = "either"
    gives: Any = None
    says: str = ""
    without_rights: bool = False  # read as a user whom permissions stop
    seconds: float = SECONDS
    full: bool = False  # takes long: with --full alone


class Refused(Exception):
    """A reader's own way to say that an input was refused, with the line that a user reads."""


class TooSlow(Exception):
    """A case took longer than it may."""


def tried(case: Case, folder: Path) -> dict[str, Any]:
    """How a case ended in an empty folder: its group, name, ending ('failure' is a bug), words and seconds."""
    from hostile_readers import READERS

    started = time.perf_counter()
    reader = READERS[case.reader]
    ending, words = attempted(lambda: given(case, reader, folder), max(case.seconds, SECONDS))
    if ending != "failure" and case.expected not in ("either", ending):
        ending, words = "failure", f"{ending}, where {case.expected} was due: {words}"
    if ending == "refusal" and not re.search(case.says, words):
        ending, words = "failure", f"a refusal that does not say {case.says!r}: {words}"
    taken = round(time.perf_counter() - started, 3)
    return {"group": case.group, "name": case.name, "ending": ending, "words": words, "seconds": taken}


def given(case: Case, reader: Reader, folder: Path) -> None:
    """Make the input and give it to the reader.

    Raises: AssertionError where that gives something else than it should.
    """
    made = placed(case.input, reader, folder) if isinstance(case.input, bytes) else case.input(folder)
    arguments = made if isinstance(made, tuple) else (folder if made is None else made,)
    with nobody() if case.without_rights else nullcontext():
        got = reader.read(*arguments)
    assert case.gives is None or got == case.gives, f"{got} was given, not {case.gives}"


def placed(content: bytes, reader: Reader, folder: Path) -> Path:
    """Write a reader's file.  -> its path"""
    (folder / reader.file).write_bytes(content)
    return folder / reader.file


def attempted(attempt: Callable[[], object], seconds: float = SECONDS) -> tuple[str, str]:
    """Whether an attempt ended in 'success', 'refusal' or 'failure', and the words of the last two.

    seconds: the most that it may take; 0: no limit is set
    """
    from mien.errors import MienError
    from mien.faces.source.decode import BadPicture

    try:
        with limited(seconds) if seconds else nullcontext():
            attempt()
    except (MienError, BadPicture, Refused) as error:
        trouble = unfit(str(error))
        return ("failure", f"{trouble}: {str(error)[:300]!r}") if trouble else ("refusal", str(error))
    except (Exception, SystemExit):
        return "failure", traceback.format_exc()
    return "success", ""


def unfit(words: str) -> str:
    """Why a message is not one clear line, as the command line would print it; '' where it is."""
    from mien.errors import printable

    shown = printable(words)
    if not shown.isprintable():
        return "control characters reach the terminal"
    if len(shown) > LONGEST:
        return f"a message of {len(shown)} characters"
    return "" if len(shown) > 10 else "a message that says nothing"


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises: TooSlow in what takes longer."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"more than {seconds} s")

    timers = {signal.ITIMER_PROF: (signal.SIGPROF, seconds), signal.ITIMER_REAL: (signal.SIGALRM, WAITING * seconds)}
    before = {number: signal.signal(number, ring) for number, _ in timers.values()}
    for timer, (_, limit) in timers.items():
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def nobody() -> Iterator[None]:
    """Without the rights of root, whom no permission stops."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def peak_memory() -> float:
    """The most memory this process had at once, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
