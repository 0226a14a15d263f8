"""Hostile and awkward input, some thousand cases in one table, made by this program and tried one by one.

    python verification/hostile.py [--only GROUP] [--full]

A case is a row of `hostile_*.py`: group and name, how its input is made in an empty folder, which function or command
of mien it is given to (`hostile_readers.py`), and how that has to end (`hostile_case.py`). One JSON line a case is
printed; the last one has the peak of this process's memory. The exit code is 1 where a case ended otherwise, or the
memory was exceeded. `--every 8` tries each eighth case of each kind. `--full` alone tries also what takes long, and
records how the cases of each group ended in results/hostile.csv.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from recording import record

from measuring import table

import hostile_commands
import hostile_pictures
import hostile_recipes
import hostile_runs
import hostile_sources
import hostile_tables
from hostile_case import Case, peak_memory, tried
from hostile_kinds import cases as kinds_of_file

TABLES = (hostile_pictures, hostile_sources, hostile_tables, hostile_recipes, hostile_runs, hostile_commands)
MOST_MEMORY = 1500  # MiB, of the whole process with PyTorch in it, whatever it is given
ADDRESS_SPACE = 12 * 2**30  # bytes: what is asked for beyond is refused, and no machine is brought down


def cases() -> list[Case]:
    """All of them, always the same."""
    return [*(case for table in TABLES for case in table.cases()), *kinds_of_file()]


def every(step: int, some_cases: Sequence[Case]) -> Iterator[Case]:
    """The first of each kind, which is a group, a reader and what is expected, and each so-many-th after it."""
    seen = Counter[tuple[str, str, str]]()
    for case in some_cases:
        kind = (case.group, case.reader, case.expected)
        if seen[kind] % step == 0:
            yield case
        seen[kind] += 1


def summary(endings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How the cases of each group ended, the seconds they took by the clock, and the most memory until then."""
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
    return rows


def main() -> int:
    """Try the cases, in folders of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="one group")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th case of each kind")
    parser.add_argument("--full", action="store_true", help="also what takes long")
    parser.add_argument("--quiet", action="store_true", help="print failures alone, and a table of the groups")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, resource.getrlimit(resource.RLIMIT_AS)[1]))
    chosen = [case for case in cases() if options.only in ("", case.group) and (options.full or not case.full)]
    endings = []
    with tempfile.TemporaryDirectory(prefix="mien-hostile-") as top:
        Path(top).chmod(0o755)
        os.environ["MIEN_CACHE"] = f"{top}/cache"
        Path(top, "cache").mkdir()
        Path(top, "cache").chmod(0o777)
        for number, case in enumerate(every(options.every, chosen)):
            folder = Path(top, str(number))
            folder.mkdir()
            ended = tried(case, folder)
            endings.append(ended | {"peak": peak_memory()})
            if not options.quiet or ended["ending"] == "failure":
                print(json.dumps(ended), flush=True)
    if options.quiet:
        print(table(summary(endings), {name: name for name in summary(endings)[0]}))
    if options.full and not options.only and options.every == 1:
        record("hostile", summary(endings), trials=len(endings))
    print(json.dumps({"peak_mebibytes": round(peak_memory())}))
    exceeded = not options.full and peak_memory() > MOST_MEMORY
    return int(exceeded or any(ended["ending"] == "failure" for ended in endings))


if __name__ == "__main__":
    sys.exit(main())
