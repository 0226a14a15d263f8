"""From the lines of a log to the panels of a figure: terms that measure the same quantity share a panel."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mien.health import SNAPSHOT
from mien.models.base import Model
from mien.models.terms import LossTerm, Quantity
from mien.report.figures import Line, Panel
from mien.sessions import snapshots
from mien.training.averages import WEIGHTS

NOT_TERMS = ("images_seen", "seconds", "images_per_second", "words", WEIGHTS)


def panels(log: Sequence[Mapping[str, Any]], model: Model) -> dict[Quantity, Panel]:
    """The panels of a log, in the order in which their terms were first logged.

    Training comes before snapshots, in the order of panels and within each.
    """
    grouped: dict[Quantity, list[Line]] = {}
    names = dict.fromkeys(name for line in log for name in line if name not in NOT_TERMS)
    declared = terms_of(model)
    for name in sorted(names, key=lambda name: name.startswith(SNAPSHOT)):
        term = declared.get(name) or undeclared(name)
        values_at = [(line["images_seen"], value_of(line, name, term)) for line in log if name in line]
        points = [(images, value) for images, value in values_at if np.isfinite(value)]
        if points:
            images, values = np.array(points, dtype=np.float64).T
            grouped.setdefault(term.quantity, []).append(Line(term.label, images, values))
    return {
        quantity: Panel(quantity.title, tuple(lines), quantity.logarithmic, quantity.reference)
        for quantity, lines in grouped.items()
    }


def terms_of(model: Model) -> dict[str, LossTerm]:
    """The terms that a model and its snapshots declare, by their names in the log."""
    of_phases = {f"{phase.name}/{name}": term for phase in model.phases for name, term in phase.terms.items()}
    return of_phases | {SNAPSHOT + name: term for name, term in snapshots.TERMS.items()}


def undeclared(name: str) -> LossTerm:
    """A term that no model declares, by its own name: 'critic/gradient_penalty' measures a 'Gradient penalty'."""
    return LossTerm(Quantity(name.rpartition("/")[2].replace("_", " ").capitalize()), name)


def value_of(line: Mapping[str, Any], name: str, term: LossTerm) -> float:
    """A term without its weight. Older logs hold the product; where the weight was 0, nothing of the term is left."""
    if WEIGHTS in line or name.startswith(SNAPSHOT):
        return float(line[name])
    weight = term.weight(line) if callable(term.weight) else term.weight
    return float(line[name]) / (weight or 1.0)
