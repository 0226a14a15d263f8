"""One attribute against another: correlations, and what changes where one is switched."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from mien.report.figures.style import DIVERGING, INK, MUTED, label, style

CELLS_WITH_NUMBERS = 16  # attributes of a heat map up to which each cell says its number
TICKS = (-1, -0.5, 0, 0.5, 1)


def heat_map(matrix: NDArray[np.float64], names: Sequence[str]) -> Figure:
    """Correlations of attributes, each with each.  [A,A] in [-1, 1], NaN where one does not vary"""
    with style():
        numbered = len(names) <= CELLS_WITH_NUMBERS
        side = float(np.clip(1.6 + 0.36 * len(names), 3.2, 11))
        figure = Figure(figsize=(side if numbered else side + 0.7, side), layout="constrained")
        axes = figure.subplots()
        shown = np.where(np.eye(len(names), dtype=bool), np.nan, matrix)
        image = _draw_cells(axes, shown, names, names)
        if numbered:
            _write_numbers(axes, shown)
        else:
            bar = figure.colorbar(image, ax=axes, fraction=0.02, pad=0.02, ticks=TICKS)
            bar.ax.spines[:].set_visible(False)
    return figure


def _draw_cells(
    axes: Axes, values: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str], aspect: float = 1.0
) -> AxesImage:
    axes.set_facecolor("#e6e9eb")  # of cells without a value
    axes.set_xticks(range(len(columns)), [label(name) for name in columns], rotation=90, fontsize=9)
    axes.set_yticks(range(len(rows)), [label(name) for name in rows], fontsize=9)
    axes.tick_params(length=0, labelcolor=INK)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return axes.imshow(values, cmap=DIVERGING, vmin=-1, vmax=1, aspect=aspect)


def _write_numbers(axes: Axes, matrix: NDArray[np.float64]) -> None:
    for (row, column), value in np.ndenumerate(matrix):
        if not np.isnan(value):
            text = f"{round(value, 2) + 0.0:.2f}".replace("0.", ".").replace("-", "\N{MINUS SIGN}")
            color = "white" if abs(value) > 0.6 else INK
            axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color=color)


def leakage(
    change: NDArray[np.float64], real: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]
) -> Figure:
    """What else changes where an attribute is switched; what was switched is framed.  [A,B] x 2 in [-1, 1], NaN: none

    change: of the pairs, by the attribute switched and the attribute looked at.    real: the difference in real faces.
    """
    figure = _changes(change, real, (rows, columns), "what the judge sees change", points)
    for row, column in ((row, columns.index(name)) for row, name in enumerate(rows) if name in columns):
        frame = Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fill=False, ec=INK, lw=1.4)
        figure.axes[0].add_patch(frame)
    return figure


def factor_shifts(
    change: NDArray[np.float64], renderer: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]
) -> Figure:
    """How far factors move where an attribute is switched, in standard deviations.  [A,F] x 2, NaN: none

    change: of the pairs, by the attribute switched and the factor.    renderer: of the renderer's own pairs.
    """
    return _changes(change, renderer, (rows, columns), "factor that moves", deviations)


def _changes(
    change: NDArray[np.float64],
    beside: NDArray[np.float64],
    names: tuple[Sequence[str], Sequence[str]],
    words: str,
    written: Callable[[float], str],
) -> Figure:
    """A cell for each change, what stands beside it in small below; colours alone where there are many columns."""
    rows, columns = names
    with style():
        numbered = len(columns) <= CELLS_WITH_NUMBERS
        wide, high = (0.58, 0.46) if numbered else (0.3, 0.3)
        left, below = (0.45 + 0.085 * max(len(label(name)) for name in some) for some in names)
        size = (left + wide * len(columns), below + high * len(rows))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        image = _draw_cells(axes, change, rows, columns, high / wide)
        axes.set(xlabel=words, ylabel="switched")
        if numbered:
            _write_changes(axes, change, beside, written)
        else:
            bar = figure.colorbar(image, ax=axes, fraction=0.02, pad=0.02, ticks=TICKS)
            bar.ax.set_yticklabels([written(tick) for tick in TICKS])
            bar.ax.spines[:].set_visible(False)
    return figure


def _write_changes(
    axes: Axes, change: NDArray[np.float64], beside: NDArray[np.float64], written: Callable[[float], str]
) -> None:
    for (row, column), value in np.ndenumerate(change):
        dark, below = abs(value) > 0.85, float(beside[row, column])
        lift = 0.0 if np.isnan(below) else 0.14
        if not np.isnan(value):
            color = "white" if dark else INK
            axes.text(column, row - lift, written(value), ha="center", va="center", fontsize=8.5, color=color)
        if not np.isnan(below):
            color = "white" if dark else INK if abs(value) > 0.3 else MUTED
            axes.text(column, row + 0.25, written(below), ha="center", va="center", fontsize=6, color=color)


def deviations(change: float) -> str:
    """A change in standard deviations, with its sign."""
    rounded = round(change, 2)
    return f"{rounded:+.2f}".replace("-", "\N{MINUS SIGN}") if rounded else "0"


def points(share: float) -> str:
    """A change in percentage points, with its sign."""
    return f"{round(100 * share) + 0:+d}".replace("+0", "0").replace("-", "\N{MINUS SIGN}")
