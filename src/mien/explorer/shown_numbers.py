"""A run's numbers as the page shows them: each with its interval, and its floors and baselines beside it."""

import math
from collections.abc import Mapping

from mien.explorer.manifest import Beside, ShownNumber
from mien.metrics.numbers import FLIP_RATE, Named, besides, find
from mien.runs.score import Score


def numbers(scores: Mapping[str, Score]) -> list[ShownNumber]:
    """What was measured, one entry a number with those beside it; of what is measured for each attribute, the flips.

    A number that is not finite is left out, as JSON has none.
    """
    scores = {name: score for name, score in scores.items() if math.isfinite(score.value)}
    known = {name: find(name) for name in scores}
    beside = {
        name: besides(name, scores)
        for name, found in known.items()
        if found.number is FLIP_RATE or not found.number.of_attributes
    }
    of_others = {other for others in beside.values() for other in others}
    shown = [name for name in beside if name not in of_others]
    shown.sort(key=lambda name: not known[name].number.headline)  # stable: otherwise in the order they were measured
    return [
        ShownNumber(
            **in_words(known[name], scores[name]).model_dump(),
            name=name,
            group=known[name].number.group.title,
            hint="" if known[name].number.of_attributes else known[name].number.group.words,
            headline=known[name].number.headline,
            low=scores[name].low,
            high=scores[name].high,
            images=scores[name].images,
            protocol=scores[name].protocol,
            beside=[in_words(known[other], scores[other]) for other in beside[name]],
        )
        for name in shown
    ]


def in_words(known: Named, score: Score) -> Beside:
    """A number with its title; that of an attribute begins with the attribute."""
    of = f"{known.values[0]}: " if known.number.of_attributes else ""
    return Beside(label=f"{of}{known.title}", value=score.value, share=known.number.unit == "share")
