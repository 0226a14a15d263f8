"""Latents: a map of them, and what each of them costs."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mien.report.figures.style import COLORS, FAINT, MUTED, label, style


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


def divergences(kl: NDArray[np.float64]) -> Figure:
    """The KL of each latent, the largest first.  [Z], nats"""
    with style():
        figure = Figure(figsize=(6.4, 2.6), layout="constrained")
        axes = figure.subplots()
        ordered = np.sort(kl)[::-1]
        axes.fill_between(np.arange(len(ordered) + 1), np.append(ordered, ordered[-1]), step="post", color=COLORS[0])
        axes.set(xlim=(0, len(ordered)), ylim=(0, None), xlabel="latents, the dearest first", ylabel="KL, nats")
        axes.spines[["right", "top"]].set_visible(False)
        axes.spines[:].set_color(MUTED)
    return figure
