"""Where the programs here record what came of them. Imported first: it puts the code that they share on Python's path.

    from recording import record, recorded
    record("fuzz", [{"reader": "table", "inputs": 9, "failure": 0}], trials=1)    # results/fuzz.csv

What is shared are the benchmarks' tables and clients (benchmarks/) and the tests' small models and pictures (tests/).
With VERIFICATION_RESULTS=FOLDER a program writes there and leaves what is recorded alone.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "benchmarks"), str(HERE.parent / "tests")]

import measuring  # noqa: E402

RESULTS = Path(os.environ.get("VERIFICATION_RESULTS", HERE / "results"))
Row = Mapping[str, Any]


def record(name: str, rows: Sequence[Row], *, trials: int, earlier: Sequence[Row] = ()) -> Path:
    """Write rows to results/NAME.csv, each with hardware, versions and command.  earlier: rows that stay above them"""
    return measuring.write_csv(name, rows, trials=trials, folder=RESULTS, recorded=earlier)


def recorded(name: str) -> list[dict[str, str]]:
    """The rows of results/NAME.csv; none where it was never written."""
    return measuring.read_csv(name, RESULTS)
