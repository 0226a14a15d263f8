"""Quantities through training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from mien.report.figures.style import COLORS, DASHES, DECADES_FROM, INK, short_count, style


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
