"""The look of all figures: for print at their own size, on white, in colours that colour-blind readers can tell."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap

INK, MUTED, FAINT = "#20272e", "#66707a", "#dfe3e6"
COLORS = ("#2f6690", "#c8643c", "#4f9d84", "#8a6fa8", "#b3903b", "#5b6770")
DASHES = ("-", (0, (4, 1.5)), "-", (0, (4, 1.5)), "-", (0, (4, 1.5)))
DIVERGING = LinearSegmentedColormap.from_list("calm", [COLORS[0], "#ffffff", COLORS[1]])
LONGEST_NAME = 24  # characters of a label
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


def short_count(number: float) -> str:
    """A count as an axis says it: 12800 as 13k, 2500000 as 2.5M."""
    for scale, letter in ((1e6, "M"), (1e3, "k")):
        if abs(number) >= scale:
            return f"{number / scale:.3g}{letter}"
    return f"{number:.3g}"
