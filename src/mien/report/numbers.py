"""Numbers as the page shows them: known metrics with a title and a meaning, unknown ones under their own names."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Score:
    """A measured number as metrics.json holds it.  low, high: its 95 % interval; NaN where it has none"""

    value: float
    low: float = math.nan
    high: float = math.nan
    images: int | None = None
    protocol: str = ""


@dataclass(frozen=True)
class Meaning:
    """How a metric is shown: the group of its table, what stands before its row, and whether it is a share."""

    group: str
    hint: str
    title: str
    share: bool = False


@dataclass(frozen=True)
class Cell:
    """A number in words: its value and its interval."""

    value: str
    interval: str = ""
    images: int | None = None
    protocol: str = ""


@dataclass(frozen=True)
class Row:
    """One metric; a cell for each run, or None where the run has no such number."""

    title: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Group:
    """Metrics that measure the same thing."""

    title: str
    hint: str
    rows: tuple[Row, ...]


MEASURES = {
    "mse": ("Mean squared error", "of test images and their reconstructions, pixels in [-1, 1]; lower is better"),
    "psnr": ("PSNR", "of the same, in dB; higher is better"),
    "ssim": ("SSIM", "of the same, 1 for identical images; higher is better"),
}
SHARPNESS = ("Sharpness", "variance of the Laplacian; nearer to real images is better")
HEAD = {
    "accuracy": ("Own head on real test images", "balanced accuracy of telling an attribute; a guess has 50 %"),
    "agreement": ("Own head on own samples", "how often it sees the attribute that was asked for; a guess has 50 %"),
}
OTHER = ("Other measurements", "under the names they have in metrics.json")


def meaning(name: str) -> Meaning:
    """What a metric of that name is; one that is not known is shown by its name."""
    if found := re.fullmatch(r"(test|baseline_mean_face|baseline_pca_(\d+))_(mse|psnr|ssim)", name):
        who, components, measure = found.groups()
        titles = {"test": "the model", "baseline_mean_face": "the mean face"}
        return Meaning(*MEASURES[measure], titles.get(who, f"PCA, {components} components"))
    if found := re.fullmatch(r"sharpness_(real|reconstructions|samples)", name):
        titles = {"real": "real test images", "reconstructions": "their reconstructions", "samples": "samples"}
        return Meaning(*SHARPNESS, titles[found[1]])
    if found := re.fullmatch(r"head_(accuracy|agreement)_(.+)", name, re.DOTALL):
        return Meaning(*HEAD[found[1]], found[2], share=True)
    return Meaning(*OTHER, name)


def read_scores(metrics: Mapping[str, Any]) -> dict[str, Score]:
    """The numbers among a run's metrics; an entry without a value is left out."""
    scores = {}
    for name, entry in metrics.items():
        entry = entry if isinstance(entry, Mapping) else {"value": entry}
        value, low, high = (_number(entry.get(key)) for key in ("value", "low", "high"))
        if value is not None:
            ends = (math.nan, math.nan) if low is None or high is None else (low, high)
            scores[name] = Score(value, *ends, entry.get("images"), str(entry.get("protocol", "")))
    return scores


def tabulate(runs: Sequence[Mapping[str, Score]]) -> list[Group]:
    """All numbers of all runs, known groups first, each in the order of this file."""
    names = dict.fromkeys(name for scores in runs for name in scores)
    order = [title for title, _ in (*MEASURES.values(), SHARPNESS, *HEAD.values(), OTHER)]
    by_group: dict[tuple[str, str], list[str]] = {}
    for name in names:
        by_group.setdefault((meaning(name).group, meaning(name).hint), []).append(name)
    return [
        Group(title, hint, tuple(_row(name, runs) for name in inside))
        for (title, hint), inside in sorted(by_group.items(), key=lambda item: order.index(item[0][0]))
    ]


def _row(name: str, runs: Sequence[Mapping[str, Score]]) -> Row:
    share = meaning(name).share
    return Row(meaning(name).title, tuple(cell(s[name], share) if name in s else None for s in runs))


def cell(score: Score, share: bool = False) -> Cell:
    """A score in words, to two digits of its uncertainty."""
    digits = digits_of(score)
    low, high = written(score.low, digits, share), written(score.high, digits, share)
    interval = f"{low} to {high}" if math.isfinite(score.high - score.low) else ""
    return Cell(written(score.value, digits, share), interval, score.images, score.protocol)


def digits_of(score: Score) -> int:
    """Decimals that show two digits of the interval's half, or four digits of the value where there is no interval."""
    half = (score.high - score.low) / 2
    known = math.isfinite(half) and half > 0
    scale, digits = (half, 1) if known else (abs(score.value), 3)
    if not math.isfinite(scale) or scale == 0:
        return 3
    return min(max(digits - math.floor(math.log10(scale)), 0), 8)


def written(value: float, digits: int, share: bool = False) -> str:
    """A number with so many decimals and a true minus; a share in per cent."""
    text = f"{value:.{max(digits - 2, 0)}%}".replace("%", "\N{NO-BREAK SPACE}%") if share else f"{value:,.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def duration(seconds: float) -> str:
    """A length of time in the units one would say it in."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
