"""Numbers as the page shows them: known metrics with a title and a meaning, unknown ones under their own names."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mien.report.number_titles import ATTRIBUTE_TABLES, HEADLINES, ORDER, is_of_attributes, meaning


@dataclass(frozen=True)
class Score:
    """A measured number as metrics.json holds it.  low, high: its 95 % interval; NaN where it has none"""

    value: float
    low: float = math.nan
    high: float = math.nan
    images: int | None = None
    protocol: str = ""


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


def read_scores(metrics: Mapping[str, Any]) -> dict[str, Score]:
    """The numbers among a run's metrics; an entry without a value is left out."""
    scores = {}
    for name, entry in metrics.items():
        entry = entry if isinstance(entry, Mapping) else {"value": entry}
        value, low, high = (_number(entry.get(key)) for key in ("value", "low", "high"))
        if value is not None:
            ends = (math.nan, math.nan) if low is None or high is None else (low, high)
            scores[name] = Score(value, *ends, entry.get("images"), str(entry.get("protocol", "")))
    return scores


def tabulate(runs: Sequence[Mapping[str, Score]]) -> list[Group]:
    """The numbers of all runs that are not one for every attribute: known groups first, each in the order it came."""
    names = dict.fromkeys(name for scores in runs for name in scores if not is_of_attributes(name))
    by_group: dict[tuple[str, str], list[str]] = {}
    for name in names:
        by_group.setdefault((meaning(name).group, meaning(name).hint), []).append(name)
    return [
        Group(title, hint, tuple(_row(name, runs) for name in inside), title in HEADLINES)
        for (title, hint), inside in sorted(by_group.items(), key=lambda item: ORDER.index(item[0][0]))
    ]


def by_attribute(scores: Mapping[str, Score]) -> list[Table]:
    """The numbers of a run that are one for every attribute; columns that nothing is known of are left out."""
    tables = []
    for table in ATTRIBUTE_TABLES:
        found = {
            column: {
                name.removeprefix(column.prefix): s for name, s in scores.items() if name.startswith(column.prefix)
            }
            for column in table.columns
        }
        columns = [column for column in table.columns if found[column]]
        names = dict.fromkeys(name for column in columns for name in found[column])
        rows = tuple(
            Row(name, tuple(cell(found[c][name], c.share) if name in found[c] else None for c in columns))
            for name in names
        )
        if rows:
            tables.append(Table(table.title, table.hint, tuple(column.title for column in columns), rows))
    return tables


def _under(prefix: str, scores: Mapping[str, Score]) -> dict[str, Score]:
    return {name.removeprefix(prefix): score for name, score in scores.items() if name.startswith(prefix)}


def _row(name: str, runs: Sequence[Mapping[str, Score]]) -> Row:
    share = meaning(name).share
    return Row(meaning(name).title, tuple(cell(s[name], share) if name in s else None for s in runs))


def cell(score: Score, share: bool = False) -> Cell:
    """A score in words, to two digits of its uncertainty."""
    digits = digits_of(score)
    low, high = written(score.low, digits, share), written(score.high, digits, share)
    interval = f"{low} to {high}" if math.isfinite(score.high - score.low) else ""
    return Cell(written(score.value, digits, share), interval, score.images, score.protocol)


def digits_of(score: Score) -> int:
    """Decimals that show two digits of the interval's half, or four digits of the value where there is no interval."""
    half = (score.high - score.low) / 2
    known = math.isfinite(half) and half > 0
    scale, digits = (half, 1) if known else (abs(score.value), 3)
    if not math.isfinite(scale) or scale == 0:
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


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
