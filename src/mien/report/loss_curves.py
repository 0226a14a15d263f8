"""From the lines of a log to the panels of a figure: terms of one kind share a panel, whatever the model is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mien.report.figures import Line, Panel

LN2 = float(np.log(2))
TITLES = {
    "reconstruction": "Reconstruction: mean squared error",
    "kl": "KL divergence, nats an image",
    "adversarial": "Adversarial loss, nats",
    "classification": "Attribute loss, nats",
    "penalty": "R1 penalty, weighted",
    "distance": "Fréchet distance of samples, judge's features",
    "share": "Samples beside real images",
    "accuracy": "What the discriminator gets right",
    "active": "Active latents",
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
    "validation/reconstruction_of_training": "training images, mean latent",
    "validation/kl_nats": "validation",
    "validation/fd_judge": "to validation images",
    "validation/variety": "variety, of real",
    "validation/sharpness": "sharpness, of real",
    "validation/discriminator_real": "validation images",
    "validation/discriminator_fake": "generated images",
    "validation/active_units": "of validation images",
}
KINDS = {  # of terms whose names do not say it
    "validation/fd_judge": "distance",
    "validation/variety": "share",
    "validation/sharpness": "share",
    "validation/discriminator_real": "accuracy",
    "validation/discriminator_fake": "accuracy",
}
WEIGHTS = {"kl": "kl_weight", "classification": "classification_weight"}  # a term is logged times this of its recipe
REFERENCES = {
    "adversarial": (LN2, "ln 2: cannot tell apart"),
    "classification": (LN2, "ln 2: a guess"),
    "share": (1.0, "as real images"),
    "accuracy": (0.5, "a guess"),
}
LOGARITHMIC = ("reconstruction", "penalty", "distance")
NOT_TERMS = ("images_seen", "seconds", "images_per_second", "words")


def panels(log: Sequence[Mapping[str, Any]], recipe_model: object, image_size: int = 64) -> dict[str, Panel]:
    """The panels of a log, by the kind of their terms, in the order in which the terms were first logged.

    Training comes before snapshots, in the order of panels and within each.

    image_size: only an automatic KL weight needs it.
    """
    grouped: dict[str, list[Line]] = {}
    names = dict.fromkeys(name for line in log for name in line if name not in NOT_TERMS)
    for name in sorted(names, key=lambda name: name.startswith("validation/")):
        kind = kind_of(name)
        points = [
            (line["images_seen"], line[name] / weight_of(name, line, recipe_model, image_size))
            for line in log
            if name in line and np.isfinite(line[name])
        ]
        if not points:
            continue
        images, values = np.array(points, dtype=np.float64).T
        grouped.setdefault(kind, []).append(Line(LABELS.get(name, name), images, values))
    return {
        kind: Panel(
            TITLES.get(kind, kind.replace("_", " ").capitalize()),
            tuple(lines),
            logarithmic=kind in LOGARITHMIC,
            reference=REFERENCES.get(kind),
        )
        for kind, lines in grouped.items()
    }


def weight_of(name: str, line: Mapping[str, Any], recipe_model: object, image_size: int) -> float:
    """What a term was multiplied by before it was logged; 1 where nothing of the term would be left.

    An automatic KL weight is 2 / D times the squared error that is logged beside the KL.
    """
    if name.startswith("validation/"):
        return 1.0
    weight = getattr(recipe_model, WEIGHTS.get(kind_of(name), ""), 1)
    if weight == "auto":
        weight = 2 * line[f"{name.rpartition('/')[0]}/reconstruction"] / (3 * image_size**2)
    return float(weight) or 1.0


def kind_of(name: str) -> str:
    """What a logged term measures: 'discriminator/adversarial_real' is adversarial."""
    return KINDS.get(name) or name.rpartition("/")[2].split("_")[0]
