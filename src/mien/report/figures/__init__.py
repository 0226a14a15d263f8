"""Figures: from arrays to matplotlib Figures. Pure: no model, no file, no global state of matplotlib is touched."""

from mien.report.figures.curves import Line, Panel, curves
from mien.report.figures.dots import Dots, seeds, trade_off
from mien.report.figures.heat_maps import CELLS_WITH_NUMBERS, deviations, factor_shifts, heat_map, leakage, points
from mien.report.figures.latent_maps import divergences, scatter
from mien.report.figures.style import label, short_count

__all__ = [
    "CELLS_WITH_NUMBERS",
    "Dots",
    "Line",
    "Panel",
    "curves",
    "deviations",
    "divergences",
    "factor_shifts",
    "heat_map",
    "label",
    "leakage",
    "points",
    "scatter",
    "seeds",
    "short_count",
    "trade_off",
]
