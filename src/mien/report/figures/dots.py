"""The arms of a study: every seed a dot."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from mien.report.figures.style import COLORS, DECADES_FROM, INK, MUTED, label, style

LONGEST_LINE = 46  # characters of what an axis measures, before it is broken


@dataclass(frozen=True)
class Dots:
    """The values of one arm, a seed each; mean and the ends of its interval, NaN without enough values.

    values: float [n]; empty where no run of the arm was measured.
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
