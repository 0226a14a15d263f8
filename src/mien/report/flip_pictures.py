"""The plates of the flip report: what else changes in a face when one attribute is switched."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mien.faces import Faces
from mien.metrics import numbers
from mien.metrics.numbers import Number, of_each, of_number
from mien.models.base import Model
from mien.report import figures
from mien.report.encoded_pictures import Inline, Plate, figure_jpeg, figure_svg
from mien.report.run_section import Chapter
from mien.runs.score import Score

FEW_COLUMNS = 6  # which are not stretched over the page
TOLD = 3  # of the strongest leaks, in the description of the picture


@dataclass(frozen=True)
class Leakage:
    """Changes by the attribute switched (rows), and by the attribute or factor looked at (columns).

    change: of the pairs.    beside: what to compare it with; of attributes the difference between real faces, of
    factors the change in the renderer's pairs.    NaN where it was not measured.  [A,B] x 2
    pairs: how many there are of a row.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    change: NDArray[np.float64]
    beside: NDArray[np.float64]
    pairs: int

    def strongest(self, say: Callable[[float], str]) -> list[str]:
        """The leaks furthest from 0, in words.  say: how a change is written"""
        leaks = [
            (self.change[row, column], f"{switched} to {looked_at}")
            for row, switched in enumerate(self.rows)
            for column, looked_at in enumerate(self.columns)
            if switched != looked_at and not math.isnan(self.change[row, column])
        ]
        leaks.sort(key=lambda leak: -abs(leak[0]))
        return [f"{words} {say(value)}" for value, words in leaks[:TOLD]]


def read_leakage(scores: Mapping[str, Score]) -> Leakage | None:
    """What leaks into attributes; None where no attribute was switched, or no other attribute was looked at.

    Of the columns, those of the rows come first.
    """
    switched = of_each(scores, numbers.SHIFT)
    rows, change = tuple(switched), by_pair(scores, numbers.LEAK_SHIFT, switched)
    if not change:
        return None
    columns = tuple(dict.fromkeys((*rows, *(looked_at for _, looked_at in change))))
    wanted = {(row, row): score.value for row, score in switched.items()}
    real = by_pair(scores, numbers.LEAK_REAL, switched)
    pairs = switched[rows[0]].images or 0
    return Leakage(rows, columns, matrix(change | wanted, rows, columns), matrix(real, rows, columns), pairs)


def read_factor_shifts(scores: Mapping[str, Score]) -> Leakage | None:
    """What leaks into the factors of drawn faces; None where none was read."""
    switched = of_each(scores, numbers.SHIFT)
    change, beside = (by_pair(scores, number, switched) for number in (numbers.FACTOR_SHIFT, numbers.FACTOR_RENDERER))
    if not change:
        return None
    moving = {attribute for attribute, _ in change}
    rows = tuple(row for row in switched if row in moving)
    columns = tuple(dict.fromkeys(factor for _, factor in change))
    pairs = switched[rows[0]].images or 0
    return Leakage(rows, columns, matrix(change, rows, columns), matrix(beside, rows, columns), pairs)


def by_pair(scores: Mapping[str, Score], number: Number, rows: Collection[str]) -> dict[tuple[str, ...], float]:
    """A number of the attributes that are switched and of what is looked at.  -> (switched, looked at): value"""
    return {pair: score.value for pair, score in of_number(scores, number).items() if pair[0] in rows}


def matrix(values: Mapping[tuple[str, ...], float], rows: Sequence[str], columns: Sequence[str]) -> NDArray[np.float64]:
    """Values in rows and columns, NaN for a pair without a value.  -> [A,B]"""
    return np.array([[values.get((row, column), math.nan) for column in columns] for row in rows], dtype=np.float64)


class LeakMap(NamedTuple):
    """A map of leaks: how it is read from a run's numbers, its caption, and how it is drawn.

    measured: how far what moves.    beside: what the small numbers are.    written: a change in words.
    """

    read: Callable[[Mapping[str, Score]], Leakage | None]
    measured: str
    beside: str
    draw: Callable[..., Figure]
    written: Callable[[float], str]


LEAK_MAPS = (
    LeakMap(
        read_leakage,
        "the judge's probability of each attribute moves, in percentage points. Framed: the attribute that was "
        "switched, at best +100; the others, at best 0.",
        "the difference between real test faces with and without the attribute that was switched: a model that "
        "cannot tell the two attributes apart moves as much.",
        figures.leakage,
        figures.points,
    ),
    LeakMap(
        read_factor_shifts,
        "each factor of the drawing moves that can be read from the judge's features, in standard deviations; at "
        "best 0.",
        "the same of pairs that the renderer draws with only that attribute switched, so that no factor moves: a "
        "number other than 0 is an error of the reading.",
        figures.factor_shifts,
        figures.deviations,
    ),
)


def draw_leaks(chapter: Chapter, model: Model, faces: Faces, place: int) -> list[Plate]:
    """Maps of what leaks into other attributes and into factors, from the run's numbers: those that were measured."""
    found = [(leak_map, leakage) for leak_map in LEAK_MAPS if (leakage := leak_map.read(chapter.scores))]
    return [leak_plate(chapter, place + index, *pair) for index, pair in enumerate(found)]


def leak_plate(chapter: Chapter, place: int, leak_map: LeakMap, leakage: Leakage) -> Plate:
    """A plate of a map, as a picture that scales and as a file; few columns are not stretched over the page."""
    caption = f"{switched_in_words(chapter, leakage)}, and how far {leak_map.measured}"
    if len(leakage.columns) <= figures.CELLS_WITH_NUMBERS:
        caption += f" Small: {leak_map.beside}"
    alt = f"{caption} The strongest leaks: {'; '.join(leakage.strongest(leak_map.written))}."
    matrices = (leakage.change, leakage.beside, leakage.rows, leakage.columns)
    number, file = f"{chapter.number}.{place}", f"fig{chapter.number}_{place}.jpg"
    svg = Inline(figure_svg(leak_map.draw(*matrices)), "image/svg+xml", alt)
    narrow = len(leakage.columns) <= FEW_COLUMNS
    return Plate(number, caption, (svg,), file=file, jpeg=figure_jpeg(leak_map.draw(*matrices)), narrow=narrow)


def switched_in_words(chapter: Chapter, leakage: Leakage) -> str:
    """How the pairs of a plate were made; the beginning of a sentence."""
    how = (
        "labels and noise as they are but for that attribute"
        if chapter.model.attributes
        else "test faces, moved along its direction in latent space"
    )
    return f"One attribute switched in the same faces of the {chapter.title} ({leakage.pairs:,} pairs a row: {how})"
