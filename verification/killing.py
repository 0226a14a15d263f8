"""Processes that are killed (SIGKILL): at any moment, or while something is written beside its place."""

import faulthandler
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

BESIDE = ("*.tmp", "*.tmp.npz", ".mien-*", ".packing-*", ".report-*", ".site-*")
STRETCH = 0.05  # seconds by which a sync or a rename comes later, so that a kill can hit a write of a millisecond
LONGEST = 300  # seconds that some work may take; where it hangs, it prints where, and ends with 1
LINGERING = 60  # seconds: the most that a process may live on whose parent was killed, once its work is done by others

Left = set[tuple[Path, int]]


def start(work: Callable[[], None], *, stretched: bool = False) -> BaseProcess:
    """A process that does some work.  stretched: and is slow to finish what it writes"""

    def bounded() -> None:
        faulthandler.dump_traceback_later(LONGEST, exit=True)
        if stretched:
            stretch_writes()
        work()

    process = multiprocessing.get_context("fork").Process(target=bounded)
    process.start()
    return process


def stretch_writes() -> None:
    """Let whatever this process syncs or renames wait a little before."""
    for place, name in ((os, "fsync"), (Path, "replace"), (Path, "rename")):
        setattr(place, name, later(getattr(place, name)))


def later(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that does what it does a little later."""

    def waiting(*given: Any, **named: Any) -> Any:
        time.sleep(STRETCH)
        return function(*given, **named)

    return waiting


def in_a_process(work: Callable[[], None], *, stretched: bool = False) -> float:
    """Do some work to its end, in a process.  -> seconds

    Raises: SystemExit where it fails: then something does not go on that should.
    """
    started = time.perf_counter()
    process = start(work, stretched=stretched)
    process.join()
    if process.exitcode:
        sys.exit(f"a process that nobody killed ended with {process.exitcode}: see above")
    return time.perf_counter() - started


def unfinished(folder: Path) -> Left:
    """What is being written beside its place, or was left there, with the time of its last change."""
    return {(path, changed) for pattern in BESIDE for path in folder.rglob(pattern) for changed in changes(path)}


def changes(path: Path) -> Iterator[int]:
    """When a file was changed last; nothing where it is gone by now."""
    try:
        yield path.stat().st_mtime_ns
    except FileNotFoundError:
        return


def wait_for_a_write(process: BaseProcess, folder: Path, before: Left, chance: random.Random) -> None:
    """Wait until a process writes something beside its place, and up to twice its delay more; or until it ends."""
    while process.exitcode is None and not unfinished(folder) - before:
        time.sleep(0.002)
    process.join(chance.uniform(0, 2 * STRETCH))


def kill(process: BaseProcess, chance: random.Random) -> set[int]:
    """Kill a process, and half of the times those it has started.  -> those of them that live on"""
    children = family(process.pid or 0)
    process.kill()
    process.join()
    if chance.random() < 0.5:
        return children
    for child in children:
        if lives(child):
            os.kill(child, signal.SIGKILL)
    return set()


def family(pid: int) -> set[int]:
    """The processes that a process has started, and theirs; Linux alone tells."""
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it is gone by now
        return set()
    direct = {int(child) for text in lists for child in text.split()}
    return direct.union(*map(family, direct))


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def lingering(orphans: set[int]) -> list[str]:
    """Those that do not end, a while after their work was done by others."""
    end = time.monotonic() + LINGERING
    while any(map(lives, orphans)) and time.monotonic() < end:
        time.sleep(0.05)
    return [f"process {orphan} of a killed one lives on" for orphan in orphans if lives(orphan)]
