"""The plates of the flip report: what else changes in a face when one attribute is switched."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mien.metrics import numbers
from mien.metrics.numbers import Number, of_each, of_number
from mien.report import figures
from mien.report.encoded_pictures import Inline, Plate, figure_jpeg, figure_svg
from mien.report.run_section import Chapter
from mien.runs.score import Score

FEW_COLUMNS = 6  # which are not stretched over the page
TOLD = 3  # of the strongest leaks, to those who cannot see the picture


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
    """What leaks into attributes; None where no attribute was switched, or no other one was looked at.

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
    """Values in rows and columns, NaN where there is none.  -> [A,B]"""
    return np.array([[values.get((row, column), math.nan) for column in columns] for row in rows], dtype=np.float64)


def leakage_plates(chapter: Chapter, place: int) -> list[Plate]:
    """Maps of what leaks into other attributes and into factors, from the run's numbers: those that were measured."""
    plates: list[Plate] = []
    for read, make in ((read_leakage, leakage_plate), (read_factor_shifts, factor_plate)):
        found = read(chapter.scores)
        if found is not None:
            plates.append(make(chapter, place + len(plates), found))
    return plates


def leakage_plate(chapter: Chapter, place: int, leakage: Leakage) -> Plate:
    """A map of what leaks into other attributes."""
    caption = (
        f"{switched_in_words(chapter, leakage)}, and how far the judge's probability of each attribute moves, in "
        "percentage points. Framed: the one that was switched, at best +100; the others, at best 0."
    )
    if len(leakage.columns) <= figures.CELLS_WITH_NUMBERS:
        caption += (
            " Small: the difference between real test faces with and without the attribute that was switched, as much "
            "as may be expected of a model that has not told them apart."
        )

    def draw() -> Figure:
        return figures.leakage(leakage.change, leakage.beside, leakage.rows, leakage.columns)

    return drawn_plate(chapter, place, caption, leakage, leakage.strongest(figures.points), draw)


def factor_plate(chapter: Chapter, place: int, leakage: Leakage) -> Plate:
    """A map of what leaks into the factors of drawn faces."""
    caption = (
        f"{switched_in_words(chapter, leakage)}, and how far each factor of the drawing moves that can be read from "
        "the judge's features, in standard deviations; at best 0."
    )
    if len(leakage.columns) <= figures.CELLS_WITH_NUMBERS:
        caption += (
            " Small: the same of pairs that the renderer draws with only that attribute switched, so that no factor "
            "moves: what is not 0 there is an error of the reading."
        )

    def draw() -> Figure:
        return figures.factor_shifts(leakage.change, leakage.beside, leakage.rows, leakage.columns)

    return drawn_plate(chapter, place, caption, leakage, leakage.strongest(figures.deviations), draw)


def switched_in_words(chapter: Chapter, leakage: Leakage) -> str:
    """How the pairs of a plate were made; the beginning of a sentence."""
    how = (
        "labels and noise as they are but for that attribute"
        if chapter.model.attributes
        else "test faces, moved along its direction in latent space"
    )
    return f"One attribute switched in the same faces of the {chapter.title} ({leakage.pairs:,} pairs a row: {how})"


def drawn_plate(
    chapter: Chapter, place: int, caption: str, leakage: Leakage, strongest: list[str], draw: Callable[[], Figure]
) -> Plate:
    """A plate of a figure, as a picture that scales and as a file; few columns are not stretched over the page."""
    alt = f"{caption} The strongest leaks: {'; '.join(strongest)}."
    number, file = f"{chapter.number}.{place}", f"fig{chapter.number}_{place}.jpg"
    svg = Inline(figure_svg(draw()), "image/svg+xml", alt)
    narrow = len(leakage.columns) <= FEW_COLUMNS
    return Plate(number, caption, (svg,), file=file, jpeg=figure_jpeg(draw()), narrow=narrow)
