"""A run's numbers as the page shows them: each with its interval, and its floors and baselines beside it."""

import math
import re
from collections.abc import Mapping
from typing import Any

from mien.report.number_titles import ATTRIBUTE_TABLES, Column, is_headline, is_of_attributes, meaning

BESIDE = (  # a number, and what stands beside it where it was measured; \1 is what the brackets of the first found
    (r"test_(.+)", r"baseline_.+_\1"),
    (r"elbo_nats()", r"baseline_ppca_nats"),
    (r"sharpness_(?:samples|reconstructions)()", r"sharpness_real"),
    (r"spectrum_(?:samples|reconstructions)()", r"spectrum_floor"),
    (r"active_units()", r"latent_dim"),
    (r"flip_rate_(.+)", r"flip_(?:ceiling|renderer|chance)_\1"),
    (r"(.+)", r"\1_floor.*"),
)


def numbers(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was measured, one entry a number with those beside it; of what is measured for each attribute, the flips.

    metrics: as the run holds them. A number that is not finite is left out, as JSON has none.
    """
    scores = {name: score for name, score in metrics.items() if finite(score.get("value")) is not None}
    beside = {name: besides(name, scores) for name in scores}
    of_others = {other for others in beside.values() for other in others}
    shown = [
        name
        for name in scores
        if name not in of_others and (name.startswith("flip_rate_") or not is_of_attributes(name))
    ]
    shown.sort(key=lambda name: not is_headline(name))  # stable: otherwise in the order they were measured
    return [
        entry(name, scores[name])
        | {"headline": is_headline(name)}
        | extent(scores[name])
        | {"beside": [entry(other, scores[other]) for other in beside[name]]}
        for name in shown
    ]


def besides(name: str, scores: Mapping[str, Any]) -> list[str]:
    """Names of the floors and baselines of a number, of those that there are."""
    found: list[str] = []
    for of, wanted in BESIDE:
        if match := re.fullmatch(of, name, re.DOTALL):
            pattern = wanted.replace(r"\1", re.escape(match[1]))
            found += [other for other in scores if re.fullmatch(pattern, other, re.DOTALL)]
    return list(dict.fromkeys(found))


def entry(name: str, score: Mapping[str, Any]) -> dict[str, Any]:
    """A number with what it is in words.  share: whether it is one of something, so that per cent say it best"""
    if column := attribute_column(name):
        what = {"group": "Flips", "hint": "", "label": f"{name.removeprefix(column.prefix)}: {column.title}"}
        return {"name": name, "value": score["value"], "share": column.share} | what
    about = meaning(name)
    what = {"group": about.group, "hint": about.hint, "label": about.title}
    return {"name": name, "value": score["value"], "share": about.share} | what


def attribute_column(name: str) -> Column | None:
    """The column of the report that a number of an attribute stands in."""
    columns = [column for table in ATTRIBUTE_TABLES for column in table.columns if name.startswith(column.prefix)]
    return max(columns, key=lambda column: len(column.prefix), default=None)


def extent(score: Mapping[str, Any]) -> dict[str, Any]:
    """How sure a number is, and what it is about."""
    return {
        "low": finite(score.get("low")),
        "high": finite(score.get("high")),
        "images": score.get("images"),
        "protocol": str(score.get("protocol", "")),
    }


def finite(value: object) -> float | None:
    """A number that JSON can hold, or None."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None  # type: ignore[arg-type]
