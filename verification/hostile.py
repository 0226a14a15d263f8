"""Hostile and awkward input, some thousand cases, made by this program and tried one by one in this process.

    python tests/hostile.py [--only GROUP] [--full]

Each case makes its input in an empty folder and gives it to mien. It ends well where mien succeeds, or refuses it with
one of its own errors in a sentence that a terminal can show on one line. One JSON line a case is printed; the last one
has the peak of this process's memory. The exit code is 1 where a case ended in any other way. `--full` alone records
how those of each group ended in benchmarks/results/hostile.csv.
"""

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

Ending = Literal["success", "refusal"]
SECONDS = 10  # of a processor: the most that a case may take
WAITING = 6  # times as long by the clock, since machines are shared; what waits for a pipe waits for ever
LONGEST = 1500  # characters of a message
MOST_MEMORY = 1500  # MiB, of the whole process with PyTorch in it, whatever it is given
ADDRESS_SPACE = 12 * 2**30  # bytes: what is asked for beyond is refused, and no machine is brought down


@dataclass(frozen=True)
class Case:
    """One input.  attempt: makes it in an empty folder and gives it to mien.  must: how it has to end; '': either"""

    group: str
    name: str
    attempt: Callable[[Path], object]
    must: Ending | Literal[""] = ""
    seconds: float = SECONDS
    full: bool = False  # takes long, and is left out of the tests


class TooSlow(Exception):
    """A case took longer than it may."""


def cases() -> list[Case]:
    """All of them, always the same."""
    import hostile_pictures
    import hostile_recipes
    import hostile_runs
    import hostile_sources
    import hostile_tables

    rooms = (hostile_pictures, hostile_sources, hostile_tables, hostile_recipes, hostile_runs)
    return [case for room in rooms for case in room.cases()]


def attempted(case: Case, folder: Path, seconds: float = SECONDS) -> dict[str, Any]:
    """How a case ended: its group, name, ending ('failure' is a bug), words and seconds."""
    from mien.errors import MienError
    from mien.faces.source.decode import BadPicture

    started = time.perf_counter()
    ending, words = "success", ""
    try:
        with limited(max(seconds, case.seconds)):
            case.attempt(folder)
    except (MienError, BadPicture) as error:
        ending, words = "refusal", str(error)
        if trouble := unfit(words):
            ending, words = "failure", f"{trouble}: {words[:300]!r}"
    except (Exception, SystemExit):
        ending, words = "failure", traceback.format_exc()[-1500:]
    if ending != "failure" and case.must not in ("", ending):
        ending, words = "failure", f"{ending}, where {case.must} was due: {words}"
    taken = round(time.perf_counter() - started, 3)
    return {"group": case.group, "name": case.name, "ending": ending, "words": words, "seconds": taken}


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


def record(endings: Sequence[dict[str, Any]]) -> None:
    """Write how the cases of each group ended, the seconds they took by the clock, and the most memory until then."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
    import measuring

    rows = []
    for group in dict.fromkeys(ended["group"] for ended in endings):
        mine = [ended for ended in endings if ended["group"] == group]
        counts = Counter(ended["ending"] for ended in mine)
        rows.append(
            {"group": group, "cases": len(mine)}
            | {ending: counts[ending] for ending in ("success", "refusal", "failure")}
            | {"seconds": sum(ended["seconds"] for ended in mine)}
            | {"peak_mebibytes_so_far": round(max(ended["peak"] for ended in mine))}
        )
    measuring.write_csv("hostile", rows, trials=len(endings))


def main() -> int:
    """Try all cases, in folders of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="one group")
    parser.add_argument("--full", action="store_true", help="also what takes long")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="the most a case may take")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, resource.getrlimit(resource.RLIMIT_AS)[1]))
    endings = []
    with tempfile.TemporaryDirectory(prefix="mien-hostile-") as top:
        Path(top).chmod(0o755)
        os.environ["MIEN_CACHE"] = f"{top}/cache"
        Path(top, "cache").mkdir()
        Path(top, "cache").chmod(0o777)
        for number, case in enumerate(cases()):
            if options.only in ("", case.group) and (options.full or not case.full):
                folder = Path(top, str(number))
                folder.mkdir()
                ended = attempted(case, folder, options.seconds)
                endings.append(ended | {"peak": peak_memory()})
                print(json.dumps(ended), flush=True)
    print(json.dumps({"peak_mebibytes": round(peak_memory())}))
    if options.full and not options.only:
        record(endings)
    return int(any(ended["ending"] == "failure" for ended in endings))


if __name__ == "__main__":
    sys.exit(main())
