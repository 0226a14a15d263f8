"""A run's numbers as the page shows them: each with its interval, and its floors and baselines beside it."""

import math
from collections.abc import Mapping
from typing import Any

from mien.metrics.numbers import FLIP_RATE, besides, find
from mien.runs.score import Score


def numbers(scores: Mapping[str, Score]) -> list[dict[str, Any]]:
    """What was measured, one entry a number with those beside it; of what is measured for each attribute, the flips.

    A number that is not finite is left out, as JSON has none.
    """
    scores = {name: score for name, score in scores.items() if math.isfinite(score.value)}
    kinds = {name: find(name).number for name in scores}
    beside = {name: besides(name, scores) for name, of in kinds.items() if of is FLIP_RATE or not of.of_attributes}
    of_others = {other for others in beside.values() for other in others}
    shown = [name for name in beside if name not in of_others]
    shown.sort(key=lambda name: not kinds[name].headline)  # stable: otherwise in the order they were measured
    return [
        entry(name, scores[name])
        | {key: scores[name][key] for key in ("low", "high", "images", "protocol")}
        | {"headline": kinds[name].headline, "beside": [entry(other, scores[other]) for other in beside[name]]}
        for name in shown
    ]


def entry(name: str, score: Score) -> dict[str, Any]:
    """A number with what it is in words.  share: whether it is one of something, so that per cent say it best"""
    known = find(name)
    group = known.number.group
    about = {"group": group.title, "hint": group.words, "label": known.title}
    if known.number.of_attributes:
        about |= {"hint": "", "label": f"{known.values[0]}: {known.title}"}  # the hint is of the report's table
    return {"name": name, "value": score.value, "share": known.number.unit == "share"} | about
