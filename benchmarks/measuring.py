"""What every benchmark here needs: the machine's ceilings, interleaved rounds, ratios with their spread, and CSV.

    here = ceilings()
    rounds = interleaved({"mien": lambda: images_per_second(...), "plain": lambda: ...}, rounds=5)
    ratio = ratio_of(rounds["mien"], rounds["plain"])    # "1.52 (1.47 to 1.60)"
    write_csv("sampling", [{"what": "mien", "images_per_second": median(rounds["mien"])}], trials=5, ceilings=here)

Speeds of a machine that others use too differ by a quarter from one minute to the next. So what is compared is measured
in turns, A B C, A B C, and a ratio is taken within each round.
"""

import csv
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from mien.runs.provenance import surroundings

RECORDED = Path(__file__).parent / "results"
RESULTS = Path(os.environ.get("BENCHMARK_RESULTS", RECORDED))  # so that a trial leaves what is recorded alone
SIDES = {"cpu": 2048, "cuda": 8192}  # of the square matrices: large enough to be limited by arithmetic
COPIED = 256 * 2**20  # bytes: more than any cache holds


@dataclass(frozen=True)
class Ceilings:
    """The most a machine can do: matrix products in GFLOP/s, and memory read and written in a copy in GB/s."""

    float32_gflops: float
    bfloat16_gflops: float
    copy_gb_per_second: float


def ceilings(device: torch.device | str = "cpu", seconds: float = 0.5) -> Ceilings:
    """Measure them now, each for so many seconds, and keep the best repetition."""
    float32, bfloat16 = (product_gflops(dtype, device, seconds) for dtype in (torch.float32, torch.bfloat16))
    source = torch.ones(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copied = 2 * COPIED / best_time(lambda: target.copy_(source), seconds, device) / 1e9
    return Ceilings(round(float32, 1), round(bfloat16, 1), round(copied, 1))


def product_gflops(dtype: torch.dtype, device: torch.device | str = "cpu", seconds: float = 0.5) -> float:
    """The fastest product of two square matrices, in GFLOP/s."""
    side = SIDES[torch.device(device).type]
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(one)
    return 2 * side**3 / best_time(lambda: torch.mm(one, other, out=out), seconds, device) / 1e9


def best_time(work: Callable[[], Any], seconds: float, device: torch.device | str = "cpu") -> float:
    """The shortest of repeated calls, in seconds; the first is not counted."""
    work()
    synchronize(device)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        work()
        synchronize(device)
        best = min(best, time.perf_counter() - started)
    return best


def synchronize(device: torch.device | str) -> None:
    """Wait until a GPU has done all it was given; a CPU has."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def interleaved(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Call every measure once a round, in turns, A B C, A B C.  -> name to its figures, one a round

    Call what needs a warm-up once before.
    """
    figures: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            figures[name].append(measure())
    return figures


@dataclass(frozen=True)
class Spread:
    """The median over rounds, and the least and the largest."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def spread_of(figures: Sequence[float]) -> Spread:
    """The spread of figures over rounds."""
    return Spread(median(figures), min(figures), max(figures))


def ratio_of(figures: Sequence[float], others: Sequence[float]) -> Spread:
    """The spread of figures / others, taken within each round."""
    return spread_of([figure / other for figure, other in zip(figures, others, strict=True)])


def write_csv(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    trials: int,
    ceilings: Ceilings | None = None,
    folder: Path = RESULTS,
    recorded: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write rows of results to results/NAME.csv, each with trials, hardware, versions and ceilings behind it.

    Columns are those of all rows, in the order in which they first occur; numbers are cut to four digits.
    recorded: rows of earlier times, as `read_csv` has them, which stay above.
    """
    conditions = {"trials": trials} | (asdict(ceilings) if ceilings else {}) | surroundings() | {"command": command()}
    full = [*recorded, *({column: digits(value) for column, value in row.items()} | conditions for row in rows)]
    path = folder / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(
            file, list(dict.fromkeys(column for row in full for column in row)), lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(full)
    return path


def read_csv(name: str, folder: Path = RESULTS) -> list[dict[str, str]]:
    """The rows of results/NAME.csv; none where it was never written."""
    path = folder / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def digits(value: Any) -> Any:
    """A float with four significant digits, so that a table can be read; anything else as it is."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def command() -> str:
    """How this benchmark was called."""
    program = Path(sys.argv[0]).resolve()
    return shlex.join(["python", f"{program.parent.name}/{program.name}", *sys.argv[1:]])


def conditions_in_words(here: Ceilings) -> str:
    """Machine, versions and ceilings on two lines, to stand above a table."""
    now = surroundings()
    return (
        f"{now['machine']}, {now['threads']} threads; PyTorch {now['torch']}, mien {now['mien']} {now['commit']}\n"
        f"ceilings: {here.float32_gflops:,.0f} GFLOP/s float32, {here.bfloat16_gflops:,.0f} bfloat16, "
        f"copy {here.copy_gb_per_second:,.1f} GB/s"
    )


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """Rows as text in columns.  columns: name in the rows to its heading; the first is set left, the others right"""
    cells = [list(columns.values()), *([words(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(set_in_column, row, widths, range(len(widths)))).rstrip() for row in cells)


def set_in_column(cell: str, width: int, place: int) -> str:
    """A cell of a table, filled up to its column's width."""
    return cell.rjust(width) if place else cell.ljust(width)


def words(value: Any) -> str:
    """A value in a table: three significant digits, and no more than needed."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
