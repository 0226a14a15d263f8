"""Numbers as the page shows them: known metrics with a title and a meaning, unknown ones under their own names."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mien.metrics.numbers import NUMBERS, UNKNOWN, Group, Number, find, of_each
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
class Table:
    """Metrics that measure the same thing.

    columns: of what is measured for every attribute; of the others there is a column for each run.
    """

    about: Group
    rows: tuple[Row, ...]
    columns: tuple[str, ...] = ()


def tabulate(runs: Sequence[Mapping[str, Score]]) -> list[Table]:
    """The numbers of all runs that are not one for every attribute: known groups first, each in the order it came."""
    by_group: dict[Group, list[Row]] = {number.group: [] for number in (*NUMBERS, UNKNOWN)}
    for name in dict.fromkeys(name for scores in runs for name in scores):
        known, share = find(name), find(name).number.unit == "share"
        if not known.number.of_attributes:
            cells = tuple(cell(scores[name], share) if name in scores else None for scores in runs)
            by_group[known.number.group].append(Row(known.title, cells))
    return [Table(group, tuple(rows)) for group, rows in by_group.items() if rows]


def by_attribute(scores: Mapping[str, Score]) -> list[Table]:
    """The numbers of a run that are one for every attribute; columns that nothing is known of are left out."""
    by_group: dict[Group, dict[Number, dict[str, Score]]] = {}
    for number in NUMBERS:
        if number.parts == ("attribute",) and (found := of_each(scores, number)):
            by_group.setdefault(number.group, {})[number] = found
    return [
        Table(group, tuple(_rows(columns)), tuple(number.title for number in columns))
        for group, columns in by_group.items()
    ]


def _rows(columns: Mapping[Number, Mapping[str, Score]]) -> Iterator[Row]:
    for name in dict.fromkeys(name for found in columns.values() for name in found):
        found = ((of.get(name), number.unit == "share") for number, of in columns.items())
        yield Row(name, tuple(cell(score, share) if score else None for score, share in found))


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
