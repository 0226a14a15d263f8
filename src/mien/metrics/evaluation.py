"""Metrics: numbers about a trained model, each with its interval, its sample count and how it was measured."""

from collections.abc import Callable
from typing import NamedTuple

from mien.metrics.control.classifier_head import head_accuracy
from mien.metrics.control.flips import flips
from mien.metrics.control.judge_accuracy import judgement
from mien.metrics.encoder.likelihood import likelihood
from mien.metrics.encoder.reconstruction import reconstruction
from mien.metrics.evaluated_model import Subject
from mien.metrics.latents.disentanglement import disentanglement
from mien.metrics.samples.distribution import distribution
from mien.metrics.samples.diversity import diversity
from mien.metrics.samples.latent_mixture import mixture
from mien.metrics.samples.sharpness import sharpness
from mien.models.base import Classifies, Encodes, Model
from mien.runs.score import Score


class Metric(NamedTuple):
    """A function that measures numbers declared in `numbers`, and which models it applies to.

    by_extractor: it measures with every extractor that is installed, not with the judge alone.
    """

    measure: Callable[[Subject], dict[str, Score]]
    applies: Callable[[Model], bool] = lambda model: True
    by_extractor: bool = False


def encodes(model: Model) -> bool:
    """Whether the model has an encoder."""
    return isinstance(model, Encodes)


def encodes_all(model: Model) -> bool:
    """Whether the model has an encoder, and generates images from latents alone."""
    return encodes(model) and not model.attributes


def classifies(model: Model) -> bool:
    """Whether the model has a head that classifies attributes."""
    return isinstance(model, Classifies)


def can_be_edited(model: Model) -> bool:
    """Whether the model is conditional, or has an encoder in whose latents directions of attributes can be found."""
    return bool(model.attributes) or encodes(model)


METRICS: dict[str, Metric] = {  # in the order in which their numbers are written and shown
    "judge": Metric(judgement),
    "reconstruction": Metric(reconstruction, encodes, by_extractor=True),
    "likelihood": Metric(likelihood, encodes),
    "distribution": Metric(distribution, by_extractor=True),
    "mixture": Metric(mixture, encodes_all),
    "diversity": Metric(diversity),
    "sharpness": Metric(sharpness),
    "flips": Metric(flips, can_be_edited),
    "head": Metric(head_accuracy, classifies),
    "disentanglement": Metric(disentanglement, encodes),
}
