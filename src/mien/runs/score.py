"""A score: one measured value of a run, from the function that measures it to metrics.json and the page."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, Strict, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from mien.files.reading import MOST

Real = Annotated[float, Strict()]


@dataclass(frozen=True, config=ConfigDict(extra="ignore"))
class Score:
    """A value with its 95 % interval over images, how many images, and how it was measured.

    The interval says how far the value would move with other images; it says nothing about other training seeds.
    low, high: None where there is no interval, as for one image, or where an end is missing.
    value: NaN where the measurement failed, as for a model that gives NaN.
    metric: the key of METRICS that measured it.    weights: digest of the weights that were measured.
    """

    value: Real
    low: Real | None = None
    high: Real | None = None
    images: Annotated[int, Strict(), Field(ge=0, lt=MOST)] | None = None
    protocol: str = ""
    metric: str = ""
    weights: str = ""
    extractors: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _interval_has_two_ends(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has two ends")
        if self.interval is None:
            object.__setattr__(self, "low", None)
            object.__setattr__(self, "high", None)
        return self

    def __getitem__(self, key: str) -> Any:
        """A field by its name in metrics.json: score["value"]."""
        return getattr(self, key)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval, or None."""
        if self.low is None or self.high is None or not math.isfinite(self.high - self.low):
            return None
        return self.low, self.high


ENTRY = TypeAdapter(Score)


def read_scores(content: Mapping[str, Any]) -> dict[str, Score]:
    """The scores of a metrics.json, which may come from a stranger; entries that are not scores are left out."""
    scores = {}
    for name, entry in content.items():
        if isinstance(entry, Mapping):
            with suppress(ValidationError):
                scores[name] = ENTRY.validate_python({key: known for key, known in entry.items() if known is not None})
    return scores


def jsonable_scores(scores: Mapping[str, Score]) -> dict[str, dict[str, Any]]:
    """Scores as metrics.json holds them."""
    return {name: asdict(score) for name, score in scores.items()}
