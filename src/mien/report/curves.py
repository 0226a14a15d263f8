"""From the lines of a log to the panels of a figure: terms of one kind share a panel, whatever the model is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mien.figures import Line, Panel

LN2 = float(np.log(2))
TITLES = {
    "reconstruction": "Reconstruction: mean squared error",
    "kl": "KL divergence, nats an image",
    "adversarial": "Adversarial loss, nats",
    "classification": "Attribute loss, nats",
    "penalty": "R1 penalty, weighted",
}
LABELS = {
    "vae/reconstruction": "training, sampled latent",
    "validation/reconstruction": "validation, mean latent",
    "vae/kl": "training",
    "discriminator/adversarial_real": "D on real",
    "discriminator/adversarial_fake": "D on generated",
    "generator/adversarial": "G",
    "discriminator/classification_real": "D on real",
    "discriminator/classification_fake": "D on generated",
    "generator/classification": "G",
    "r1/penalty": "D on real",
}
WEIGHTS = {"kl": "kl_weight", "classification": "classification_weight"}  # a term is logged times this of its recipe
REFERENCES = {"adversarial": (LN2, "ln 2: cannot tell apart"), "classification": (LN2, "ln 2: a guess")}
LOGARITHMIC = ("reconstruction", "penalty")
NOT_TERMS = ("images_seen", "seconds", "images_per_second")


def panels(log: Sequence[Mapping[str, Any]], recipe_model: object) -> dict[str, Panel]:
    """The panels of a log, by the kind of their terms, in the order in which the terms were first logged."""
    grouped: dict[str, list[Line]] = {}
    for name in dict.fromkeys(name for line in log for name in line if name not in NOT_TERMS):
        kind = kind_of(name)
        weight = getattr(recipe_model, WEIGHTS.get(kind, ""), 1) or 1
        points = [
            (line["images_seen"], line[name] / weight) for line in log if name in line and np.isfinite(line[name])
        ]
        if not points:
            continue
        images, values = np.array(points, dtype=np.float64).T
        grouped.setdefault(kind, []).append(Line(LABELS.get(name, name), images, values))
    # A quantity that is only validated says how it went, but training comes first in its panel.
    return {
        kind: Panel(
            TITLES.get(kind, kind.replace("_", " ").capitalize()),
            tuple(sorted(lines, key=lambda line: line.label.startswith("validation"))),
            logarithmic=kind in LOGARITHMIC,
            reference=REFERENCES.get(kind),
        )
        for kind, lines in grouped.items()
    }


def kind_of(name: str) -> str:
    """What a logged term measures: 'discriminator/adversarial_real' is adversarial."""
    return name.rpartition("/")[2].split("_")[0]
