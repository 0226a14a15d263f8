"""Figures: from arrays to matplotlib Figures. Pure: no model, no file, no global state of matplotlib is touched.

Figures are drawn for print at their own size, on white, in colours that colour-blind readers can tell apart.
"""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

INK, MUTED, FAINT = "#20272e", "#66707a", "#dfe3e6"
COLORS = ("#2f6690", "#c8643c", "#4f9d84", "#8a6fa8", "#b3903b", "#5b6770")
DASHES = ("-", (0, (4, 1.5)), "-", (0, (4, 1.5)), "-", (0, (4, 1.5)))
DIVERGING = LinearSegmentedColormap.from_list("calm", [COLORS[0], "#ffffff", COLORS[1]])
LONGEST_NAME = 24  # characters of a label
LONGEST_LINE = 46  # characters of what an axis measures, before it is broken
CELLS_WITH_NUMBERS = 16  # attributes of a heat map up to which each cell says its number
DECADES_FROM = 6.0  # ratio of largest to smallest value from which a logarithmic axis reads better
STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.labelcolor": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "text.parse_math": False,  # names of attributes are not formulas
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
}


@dataclass(frozen=True)
class Line:
    """One quantity through training.  images, values: float [n], images ascending."""

    label: str
    images: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """Lines that share their axes; reference: a level to compare them with, and its name."""

    title: str
    lines: tuple[Line, ...]
    logarithmic: bool = False
    reference: tuple[float, str] | None = None


@contextmanager
def style() -> Iterator[None]:
    """The look of all figures, for a while."""
    with mpl.rc_context(STYLE):
        yield


def label(text: str, longest: int = LONGEST_NAME) -> str:
    """Text that any font and any format takes: no control characters, and not too long.

    Leading underscores go: matplotlib takes them for a sign that a legend should pass the line over.
    """
    clean = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    clean = clean.lstrip("_")
    return clean if len(clean) <= longest else clean[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def curves(panels: Sequence[Panel], unit: str, images_per_unit: float) -> Figure:
    """Panels side by side; images seen below, epochs or steps (`unit`) above."""
    with style():
        figure = Figure(figsize=(4.4 * len(panels), 3.1))
        for place, panel in enumerate(panels):  # at fixed places, so that panels line up on the page as well
            axes = figure.add_axes(((place + 0.12) / len(panels), 0.27, 0.84 / len(panels), 0.53))
            _draw_panel(axes, panel)
            above = axes.secondary_xaxis(
                "top", functions=(lambda x: np.asarray(x) / images_per_unit, lambda x: np.asarray(x) * images_per_unit)
            )
            above.set_xlabel(unit)
            above.xaxis.set_major_locator(MaxNLocator(5))
            above.xaxis.set_major_formatter(FuncFormatter(lambda x, _: short_count(x)))
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for line, color, dash in zip(panel.lines, COLORS, DASHES, strict=False):
        marker = "o" if len(line.values) < 3 else ""
        axes.plot(line.images, line.values, ls=dash, lw=1.3, color=color, marker=marker, ms=3, label=line.label)
    values = np.concatenate([line.values for line in panel.lines])
    positive = values[values > 0]
    if panel.logarithmic and len(positive) == len(values) and positive.max() > DECADES_FROM * positive.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        _limit(axes, panel)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    if panel.reference:
        level, name = panel.reference
        axes.axhline(level, color=INK, lw=0.8, ls=(0, (1, 2)), label=name)
    axes.set_title(panel.title)
    axes.set_xlabel("images seen")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: short_count(x)))
    axes.spines[["right"]].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, handlelength=2.4, columnspacing=1.4)


def _limit(axes: Axes, panel: Panel) -> None:
    """Show zero where it is near, and let what only the first moments reached leave the frame."""
    end = max(line.images[-1] for line in panel.lines)
    settled = np.concatenate([line.values[line.images >= 0.02 * end] for line in panel.lines])
    levels = np.append(settled, panel.reference[0]) if panel.reference else settled
    low, high = float(levels.min()), float(levels.max())
    room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    axes.set_ylim(0 if 0 <= low < 0.6 * high else low - room, high + room)


def scatter(points: NDArray[np.float32], values: NDArray[np.int8] | None, attribute: str) -> Figure:
    """A map of points, coloured by an attribute.  [N,2], int8 [N] in {1, 0, -1 unknown} or None"""
    with style():
        figure = Figure(figsize=(6.4, 5.4), layout="constrained")
        axes = figure.subplots()
        size = float(np.clip(9000 / max(len(points), 1), 5, 36))
        groups: list[tuple[str, NDArray[np.bool_], str]] = [("test images", np.ones(len(points), bool), COLORS[0])]
        if values is not None:
            name = label(attribute)
            kinds = (("unknown", -1, "#b8bfc5"), (f"not {name}", 0, COLORS[0]), (name, 1, COLORS[1]))
            groups = [(kind, values == value, color) for kind, value, color in kinds if (values == value).any()]
        for kind, inside, color in groups:
            words = f"{kind} ({inside.sum():,})"
            axes.scatter(
                points[inside, 0], points[inside, 1], s=size, color=color, alpha=0.75, linewidths=0, label=words
            )
        axes.set_aspect("equal", "datalim")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(FAINT)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3, markerscale=(60 / size) ** 0.5)
    return figure


def heat_map(matrix: NDArray[np.float64], names: Sequence[str]) -> Figure:
    """Correlations of attributes, each with each.  [A,A] in [-1, 1], NaN where there is none"""
    with style():
        numbered = len(names) <= CELLS_WITH_NUMBERS
        side = float(np.clip(1.6 + 0.36 * len(names), 3.2, 11))
        figure = Figure(figsize=(side if numbered else side + 0.7, side), layout="constrained")
        axes = figure.subplots()
        shown = np.where(np.eye(len(names), dtype=bool), np.nan, matrix)
        axes.set_facecolor("#e6e9eb")
        image = axes.imshow(shown, cmap=DIVERGING, vmin=-1, vmax=1)
        places, words = range(len(names)), [label(name) for name in names]
        axes.set_xticks(places, words, rotation=90, fontsize=9)
        axes.set_yticks(places, words, fontsize=9)
        axes.tick_params(length=0, labelcolor=INK)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        if numbered:
            _write_numbers(axes, shown)
        else:
            bar = figure.colorbar(image, ax=axes, fraction=0.02, pad=0.02, ticks=[-1, -0.5, 0, 0.5, 1])
            bar.ax.spines[:].set_visible(False)
    return figure


def leakage(
    change: NDArray[np.float64], real: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]
) -> Figure:
    """What else changes where an attribute is switched; what was switched is framed.  [A,B] x 2 in [-1, 1], NaN: none

    change: of the pairs, by the attribute switched and the one looked at.    real: the difference in real faces.
    """
    with style():
        numbered = len(columns) <= CELLS_WITH_NUMBERS
        wide, high = (0.58, 0.46) if numbered else (0.3, 0.3)
        beside, below = (0.45 + 0.085 * max(len(label(name)) for name in names) for names in (rows, columns))
        size = (beside + wide * len(columns), below + high * len(rows))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        axes.set_facecolor("#e6e9eb")
        image = axes.imshow(change, cmap=DIVERGING, vmin=-1, vmax=1, aspect=high / wide)
        axes.set_xticks(range(len(columns)), [label(name) for name in columns], rotation=90, fontsize=9)
        axes.set_yticks(range(len(rows)), [label(name) for name in rows], fontsize=9)
        axes.set(xlabel="what the judge sees change", ylabel="switched")
        axes.tick_params(length=0, labelcolor=INK)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        for row, column in ((row, columns.index(name)) for row, name in enumerate(rows) if name in columns):
            axes.add_patch(Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fill=False, ec=INK, lw=1.4))
        if numbered:
            _write_points(axes, change, real)
        else:
            bar = figure.colorbar(image, ax=axes, fraction=0.02, pad=0.02, ticks=[-1, -0.5, 0, 0.5, 1])
            bar.ax.set_yticklabels([points(tick) for tick in (-1, -0.5, 0, 0.5, 1)])
            bar.ax.spines[:].set_visible(False)
    return figure


def _write_points(axes: Axes, change: NDArray[np.float64], real: NDArray[np.float64]) -> None:
    """The change in each cell, and that of real faces below it, in percentage points."""
    for (row, column), value in np.ndenumerate(change):
        dark, below = abs(value) > 0.85, float(real[row, column])
        lift = 0.0 if np.isnan(below) else 0.14
        if not np.isnan(value):
            color = "white" if dark else INK
            axes.text(column, row - lift, points(value), ha="center", va="center", fontsize=8.5, color=color)
        if not np.isnan(below):
            color = "white" if dark else INK if abs(value) > 0.3 else MUTED
            axes.text(column, row + 0.25, points(below), ha="center", va="center", fontsize=6, color=color)


def factor_shifts(
    change: NDArray[np.float64], renderer: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str]
) -> Figure:
    """How far factors move where an attribute is switched, in standard deviations.  [A,F] x 2, NaN: none

    change: of the pairs, by the attribute switched and the factor.    renderer: of the renderer's own pairs.
    """
    with style():
        numbered = len(columns) <= CELLS_WITH_NUMBERS
        wide, high = (0.58, 0.46) if numbered else (0.3, 0.3)
        beside, below = (0.45 + 0.085 * max(len(label(name)) for name in names) for names in (rows, columns))
        size = (beside + wide * len(columns), below + high * len(rows))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        axes.set_facecolor("#e6e9eb")
        image = axes.imshow(change, cmap=DIVERGING, vmin=-1, vmax=1, aspect=high / wide)
        axes.set_xticks(range(len(columns)), [label(name) for name in columns], rotation=90, fontsize=9)
        axes.set_yticks(range(len(rows)), [label(name) for name in rows], fontsize=9)
        axes.set(xlabel="factor that moves", ylabel="switched")
        axes.tick_params(length=0, labelcolor=INK)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        if numbered:
            _write_deviations(axes, change, renderer)
        else:
            bar = figure.colorbar(image, ax=axes, fraction=0.02, pad=0.02, ticks=[-1, -0.5, 0, 0.5, 1])
            bar.ax.spines[:].set_visible(False)
    return figure


def _write_deviations(axes: Axes, change: NDArray[np.float64], renderer: NDArray[np.float64]) -> None:
    """The change in each cell, and that of the renderer's pairs below it."""
    for (row, column), value in np.ndenumerate(change):
        color = "white" if abs(value) > 0.85 else INK
        for number, lower, size in ((value, -0.14, 8.0), (float(renderer[row, column]), 0.25, 6.0)):
            if not np.isnan(number):
                words = deviations(number)
                axes.text(column, row + lower, words, ha="center", va="center", fontsize=size, color=color)


def deviations(change: float) -> str:
    """A change in standard deviations, with its sign."""
    rounded = round(change, 2)
    return f"{rounded:+.2f}".replace("-", "\N{MINUS SIGN}") if rounded else "0"


def points(share: float) -> str:
    """A change in percentage points, with its sign."""
    return f"{round(100 * share) + 0:+d}".replace("+0", "0").replace("-", "\N{MINUS SIGN}")


def _write_numbers(axes: Axes, matrix: NDArray[np.float64]) -> None:
    for (row, column), value in np.ndenumerate(matrix):
        if not np.isnan(value):
            text = f"{round(value, 2) + 0.0:.2f}".replace("0.", ".").replace("-", "\N{MINUS SIGN}")
            color = "white" if abs(value) > 0.6 else INK
            axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color=color)


def short_count(number: float) -> str:
    """A count as an axis says it: 12800 as 13k, 2500000 as 2.5M."""
    for scale, letter in ((1e6, "M"), (1e3, "k")):
        if abs(number) >= scale:
            return f"{number / scale:.3g}{letter}"
    return f"{number:.3g}"


@dataclass(frozen=True)
class Dots:
    """The values of one arm, a seed each; mean and the ends of its interval, NaN where there is none.

    values: float [n]; none where no run of the arm could be measured.
    """

    label: str
    values: NDArray[np.float64]
    mean: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


def seeds(arms: Sequence[Dots], words: str, reference: tuple[float, str] | None = None) -> Figure:
    """Every seed of every arm as a dot, the mean of an arm as a bar through them, its interval as a line.

    words: what is measured.    reference: a level to compare them with, and its name
    """
    with style():
        figure = Figure(figsize=(4.6, 1.25 + 0.34 * len(arms)), layout="constrained")
        axes = figure.subplots()
        everything = np.concatenate([np.atleast_1d(arm.values) for arm in arms])
        levels = np.append(everything, reference[0]) if reference else everything
        logarithmic = wide(levels)
        for place, arm in enumerate(arms):
            color = COLORS[0] if len(arm.values) else MUTED
            shift = np.linspace(-0.13, 0.13, len(arm.values)) if len(arm.values) > 1 else np.zeros(len(arm.values))
            if np.isfinite(arm.high - arm.low):
                low = max(arm.low, levels.min() / 10) if logarithmic else arm.low
                axes.plot([low, arm.high], [place, place], color=color, lw=1.1, alpha=0.55, solid_capstyle="butt")
            axes.plot([arm.mean, arm.mean], [place - 0.3, place + 0.3], color=INK, lw=1.4)
            axes.scatter(
                arm.values, place + shift, s=17, color=COLORS[1], linewidths=0, alpha=0.9, zorder=3, clip_on=False
            )
        if reference:
            axes.axvline(reference[0], color=INK, lw=0.8, ls=(0, (1, 2)), label=reference[1])
            axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), handlelength=1.6, borderpad=0)
        names = [label(arm.label) if len(arm.values) else f"{label(arm.label)} (no number)" for arm in arms]
        axes.set_yticks(range(len(arms)), names)
        axes.set_ylim(len(arms) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.grid(False, axis="y")
        axes.set_xlabel(textwrap.fill(words, LONGEST_LINE))
        axes.spines[["right", "top", "left"]].set_visible(False)
        _scale(axes, "x", levels)
    return figure


def trade_off(arms: Sequence[tuple[Dots, Dots]], words: tuple[str, str], joined: Sequence[str]) -> Figure:
    """Two measures against each other, every seed a point; joined: arms whose means a line joins, in order."""
    with style():
        figure = Figure(figsize=(6.0, 4.3), layout="constrained")
        axes = figure.subplots()
        shown = [(x, y) for x, y in arms if len(x.values) and len(x.values) == len(y.values)]
        path = [(x.mean, y.mean) for name in joined for x, y in shown if x.label == name]
        if len(path) > 1:
            axes.plot(*zip(*path, strict=True), color=MUTED, lw=1.0, zorder=1)
        for place, (x, y) in enumerate(shown):
            apart = bool(joined) and x.label not in joined
            color = COLORS[1] if apart else COLORS[0] if joined else COLORS[place % len(COLORS)]
            axes.scatter(x.values, y.values, s=16, color=color, alpha=0.6, linewidths=0, zorder=2)
            size, marker = (130, "*") if apart else (40, "o")
            axes.scatter(x.mean, y.mean, s=size, marker=marker, color=color, edgecolors="white", zorder=3)
            beside: dict[str, Any] = {"textcoords": "offset points", "fontsize": 9, "color": INK, "zorder": 4}
            beside |= {"xytext": (-9, -13), "ha": "right"} if apart else {"xytext": (6, 6)}
            axes.annotate(label(x.label), (x.mean, y.mean), **beside)
        for letter, name, place in (("x", words[0], 0), ("y", words[1], 1)):
            axes.set(**{f"{letter}label": name})
            if shown:
                _scale(axes, letter, np.concatenate([pair[place].values for pair in shown]))
        axes.spines[["right", "top"]].set_visible(False)
    return figure


def wide(values: NDArray[np.float64]) -> bool:
    """Whether a logarithmic axis reads better."""
    return bool(len(values) and values.min() > 0 and values.max() > DECADES_FROM * values.min())


def _scale(axes: Axes, letter: str, values: NDArray[np.float64]) -> None:
    """A logarithmic axis where values lie far apart; room around them, which long intervals may leave."""
    if not len(values):
        return
    axis = axes.xaxis if letter == "x" else axes.yaxis
    limits = axes.set_xlim if letter == "x" else axes.set_ylim
    low, high = float(values.min()), float(values.max())
    if wide(values):
        axes.set(**{f"{letter}scale": "log"})
        room = (high / low) ** 0.14
        limits(low / room, high * room)
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 300 * low else (1.0,)))
        axis.set_minor_locator(NullLocator())
    else:
        room = 0.3 * (high - low) or 0.3 * abs(high) or 1.0
        limits(0 if 0 <= low < max(0.3 * high, room) else low - room, high + room)
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
