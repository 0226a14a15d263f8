"""Numbers as the page shows them: known metrics with a title and a meaning, unknown ones under their own names."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mien.metrics import numbers
from mien.metrics.numbers import NUMBERS, find, of_each
from mien.runs.score import Score


@dataclass(frozen=True)
class Cell:
    """A number in words: its value and its interval."""

    value: str
    interval: str = ""
    images: int | None = None
    protocol: str = ""


@dataclass(frozen=True)
class Row:
    """One metric; a cell for each run, or None where the run has no such number."""

    title: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Group:
    """Metrics that measure the same thing.  headline: shown before anybody asks for the rest"""

    title: str
    hint: str
    rows: tuple[Row, ...]
    headline: bool


@dataclass(frozen=True)
class Table:
    """What was measured for every attribute: a row for each, a cell for each column."""

    title: str
    hint: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def tabulate(runs: Sequence[Mapping[str, Score]]) -> list[Group]:
    """The numbers of all runs that are not one for every attribute: known groups first, each in the order it came."""
    by_group: dict[numbers.Group, list[str]] = {group: [] for group in numbers.groups()}
    for name in dict.fromkeys(name for scores in runs for name in scores):
        if not find(name).number.of_attributes:
            by_group[find(name).number.group].append(name)
    return [
        Group(group.title, group.words, tuple(_row(name, runs) for name in names), group.headline)
        for group, names in by_group.items()
        if names
    ]


def by_attribute(scores: Mapping[str, Score]) -> list[Table]:
    """The numbers of a run that are one for every attribute; columns that nothing is known of are left out."""
    tables = []
    for group in numbers.groups():
        columns = {number: of_each(scores, number) for number in NUMBERS if number.group is group and number.is_column}
        columns = {number: found for number, found in columns.items() if found}
        names = dict.fromkeys(name for found in columns.values() for name in found)
        rows = tuple(
            Row(name, tuple(cell(found[name], n.share) if name in found else None for n, found in columns.items()))
            for name in names
        )
        if rows:
            tables.append(Table(group.title, group.words, tuple(number.title for number in columns), rows))
    return tables


def _row(name: str, runs: Sequence[Mapping[str, Score]]) -> Row:
    known = find(name)
    return Row(known.title, tuple(cell(s[name], known.number.share) if name in s else None for s in runs))


def cell(score: Score, share: bool = False) -> Cell:
    """A score in words, to two digits of its uncertainty; a dash where there is no number."""
    if not math.isfinite(score.value):
        return Cell("–", images=score.images, protocol=score.protocol)
    digits = digits_of(score)
    interval = " to ".join(written(end, digits, share) for end in score.interval or ())
    return Cell(written(score.value, digits, share), interval, score.images, score.protocol)


def digits_of(score: Score) -> int:
    """Decimals that show two digits of the interval's half, or four digits of the value where there is no interval."""
    low, high = score.interval or (0.0, 0.0)
    scale, digits = ((high - low) / 2, 1) if high > low else (abs(score.value), 3)
    if scale == 0:
        return 3
    return min(max(digits - math.floor(math.log10(scale)), 0), 8)


def written(value: float, digits: int, share: bool = False) -> str:
    """A number with so many decimals and a true minus; a share in per cent."""
    text = f"{value:.{max(digits - 2, 0)}%}".replace("%", "\N{NO-BREAK SPACE}%") if share else f"{value:,.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def duration(seconds: float) -> str:
    """A length of time in the units one would say it in."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
