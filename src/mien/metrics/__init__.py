"""Metrics: numbers about a trained model, each with its interval, its sample count and how it was measured."""

from collections.abc import Callable
from typing import NamedTuple

from mien.faces import Faces
from mien.metrics.head import head_accuracy
from mien.metrics.reconstruction import reconstruction
from mien.metrics.score import Score
from mien.metrics.sharpness import sharpness
from mien.models.base import Classifies, Encodes, Model
from mien.trained import TrainedModel


class Metric(NamedTuple):
    """A function that measures, and the ability a model needs for it."""

    measure: Callable[[TrainedModel, Faces], dict[str, Score]]
    ability: type


METRICS: dict[str, Metric] = {
    "reconstruction": Metric(reconstruction, Encodes),
    "sharpness": Metric(sharpness, Model),
    "head": Metric(head_accuracy, Classifies),
}


def measure(trained: TrainedModel, faces: Faces) -> dict[str, Score]:
    """All that can be measured of a model with its abilities."""
    scores: dict[str, Score] = {}
    for metric in METRICS.values():
        if isinstance(trained.model, metric.ability):
            scores |= metric.measure(trained, faces)
    return scores
