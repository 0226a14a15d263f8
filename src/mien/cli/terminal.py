"""Output in a terminal: progress of a command, and tables of its results."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO, cast

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from mien.cli.output import Lasting
from mien.errors import printable

if TYPE_CHECKING:
    from mien.runs.score import Score

SHOWN_OF_SNAPSHOTS = {"validation/reconstruction": "validation reconstruction", "validation/fd_judge": "Fréchet"}
SECONDS_BETWEEN_LINES = 15  # where the output is no terminal, and a bar would fill a log with its redrawing


class Terminal:
    """An observer that draws a progress bar in a terminal, and prints a line now and then anywhere else."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=cast(TextIO, Lasting(sys.stderr)), highlight=False)
        self.bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}", markup=False),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.printed = 0.0

    def __enter__(self) -> "Terminal":
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def work(self, words: str, done: int, total: int) -> None:
        """So much of a piece of work is done."""
        self._show(words, done, total, f"{done:,} of {total:,}" if total > 1 else "")

    def note(self, words: str) -> None:
        """Something worth a line."""
        self.console.print(printable(words), markup=False, soft_wrap=True)

    def training(self, name: str, images_seen: int, total: int, line: dict[str, Any]) -> None:
        """A run has seen so many of its images; line holds the last numbers, and under "health" what is wrong."""
        rate = f"{line['images_per_second']:,.0f} images/s" if "images_per_second" in line else ""
        terms = [f"{short(key)} {value:.3f}" for key, value in line.items() if "/" in key and shown(key)]
        wrong = [f"[{', '.join(line['health'])}]"] if line.get("health") else []
        self._show(f"training {name}", images_seen, total, "  ".join([rate, *terms, *wrong]))

    def _show(self, words: str, done: int, total: int, numbers: str) -> None:
        words = printable(words)
        if self.console.is_terminal:
            if words not in self.tasks:
                self.tasks[words] = self.bars.add_task(words, total=total, numbers="")
            self.bars.update(self.tasks[words], completed=done, total=total, numbers=numbers)
        elif done >= total or time.monotonic() - self.printed > SECONDS_BETWEEN_LINES:
            self.printed = time.monotonic()
            share = f"{100 * done / max(total, 1):.0f} %"
            self.console.print(f"{words}: {share}  {numbers}", markup=False, soft_wrap=True)


def shown(key: str) -> bool:
    """Whether a term is shown: all terms of training, and two of a snapshot."""
    return not key.startswith("validation/") or key in SHOWN_OF_SNAPSHOTS


def short(key: str) -> str:
    """A term as papers write it: D for a discriminator, G for a generator."""
    if key in SHOWN_OF_SNAPSHOTS:
        return SHOWN_OF_SNAPSHOTS[key]
    phase, _, term = key.partition("/")
    return f"{ {'discriminator': 'D', 'generator': 'G'}.get(phase, phase) } {term}"


def table_of_numbers(metrics: Mapping[str, "Mapping[str, Score]"], shown: Callable[[str], bool]) -> Table:
    """One row a metric that is to be shown, one column a run."""
    table = Table(title="test numbers; ±: half of the 95 % interval over images")
    table.add_column(no_wrap=True)  # names that are cut short could not be told apart
    for name in metrics:
        table.add_column(cell_of_words(name))
    for name in dict.fromkeys(name for scores in metrics.values() for name in scores if shown(name)):
        table.add_row(cell_of_words(name), *(cell(scores.get(name)) for scores in metrics.values()))
    return table


def cell(score: "Score | None") -> str:
    """A score in a table's cell."""
    if score is None:
        return ""
    low, high = score.interval or (0.0, 0.0)
    return f"{score.value:.4g}" + (f" ± {(high - low) / 2:.2g}" if score.interval else "")


def rows(title: str, pairs: Iterable[tuple[str, str]]) -> Table:
    """Two columns of words."""
    table = Table(title=title, show_header=False, title_justify="left")
    for left, right in pairs:
        table.add_row(cell_of_words(left), cell_of_words(right))
    return table


def cell_of_words(text: str) -> str:
    """Words in a table's cell, as they are: names come from data."""
    return escape(printable(text))
