"""The plate of the flip report: what else changes in a face when one attribute is switched."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mien import figures
from mien.report.chapters import Chapter
from mien.report.numbers import Score
from mien.report.pictures import Inline, Plate, figure_jpeg, figure_svg

NOT_LEAKS = ("leak_flips_", "leak_real_", "leak_renderer_")
TOLD = 3  # of the strongest leaks, to those who cannot see the picture


@dataclass(frozen=True)
class Leakage:
    """Changes by the attribute switched (rows) and the one looked at (columns, of which the rows come first).

    change, real: of the pairs, and the difference between real faces; NaN where it was not measured.  [A,B]
    pairs: how many there are of a row.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    change: NDArray[np.float64]
    real: NDArray[np.float64]
    pairs: int

    def strongest(self) -> list[str]:
        """The leaks furthest from 0, in words."""
        leaks = [
            (self.change[row, column], f"{switched} to {looked_at}")
            for row, switched in enumerate(self.rows)
            for column, looked_at in enumerate(self.columns)
            if switched != looked_at and not math.isnan(self.change[row, column])
        ]
        leaks.sort(key=lambda leak: -abs(leak[0]))
        return [f"{words} {figures.points(value)}" for value, words in leaks[:TOLD]]


def read_leakage(scores: Mapping[str, Score]) -> Leakage | None:
    """The matrix among a run's numbers; None where no attribute was switched, or no other one was looked at."""
    rows = tuple(name.removeprefix("shift_") for name in scores if name.startswith("shift_"))
    change = by_pair({name: score for name, score in scores.items() if not name.startswith(NOT_LEAKS)}, "leak_", rows)
    if not change:
        return None
    columns = tuple(dict.fromkeys((*rows, *(looked_at for _, looked_at in change))))
    wanted = {(row, row): scores[f"shift_{row}"].value for row in rows}
    real = by_pair(scores, "leak_real_", rows)
    pairs = scores[f"shift_{rows[0]}"].images or 0
    return Leakage(rows, columns, matrix(change | wanted, rows, columns), matrix(real, rows, columns), pairs)


def by_pair(scores: Mapping[str, Score], stem: str, rows: Sequence[str]) -> dict[tuple[str, str], float]:
    """Numbers named stem, attribute switched, _, attribute looked at.  -> (switched, looked at): value

    Of several attributes that a name may begin with, such as Hat and Hat_Red, the longest is meant.
    """
    found: dict[tuple[str, str], float] = {}
    for name, score in scores.items():
        rest = name.removeprefix(stem)
        switched = max((row for row in rows if rest.startswith(f"{row}_")), key=len, default=None)
        if name.startswith(stem) and switched is not None:
            found[switched, rest.removeprefix(f"{switched}_")] = score.value
    return found


def matrix(values: Mapping[tuple[str, str], float], rows: Sequence[str], columns: Sequence[str]) -> NDArray[np.float64]:
    """Values in rows and columns, NaN where there is none.  -> [A,B]"""
    return np.array([[values.get((row, column), math.nan) for column in columns] for row in rows], dtype=np.float64)


def leakage_plate(chapter: Chapter, place: int) -> Plate | None:
    """A map of what leaks, from the run's numbers; None where it was not measured."""
    leakage = read_leakage(chapter.scores)
    if leakage is None:
        return None
    numbered = len(leakage.columns) <= figures.CELLS_WITH_NUMBERS
    how = (
        "labels and noise as they are but for that attribute"
        if chapter.model.attributes
        else ("test faces, moved along its direction in latent space")
    )
    caption = (
        f"One attribute switched in the same faces of the {chapter.title} ({leakage.pairs:,} pairs a row: {how}), and "
        "how far the judge's probability of each attribute moves, in percentage points. Framed: the one that was "
        "switched, at best +100; the others, at best 0."
    )
    if numbered:
        caption += (
            " Small: the difference between real test faces with and without the attribute that was switched, as much "
            "as may be expected of a model that has not told them apart."
        )

    def draw() -> Figure:
        return figures.leakage(leakage.change, leakage.real, leakage.rows, leakage.columns)

    alt = f"{caption} The strongest leaks: {'; '.join(leakage.strongest())}."
    number, file = f"{chapter.number}.{place}", f"fig{chapter.number}_{place}.jpg"
    svg = Inline(figure_svg(draw()), "image/svg+xml", alt)
    return Plate(number, caption, (svg,), file=file, jpeg=figure_jpeg(draw()))
