"""The rule: from the numbers of several seeds to *holds*, *does not hold* or *undecided*."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field

from mien.errors import RecipeError
from mien.metrics.numbers import find
from mien.runs.score import Score

Kind = Literal["lower", "higher", "not lower", "not higher", "fails", "trains"]
Verdict = Literal["holds", "does not hold", "undecided"]
OPPOSITE: dict[Verdict, Verdict] = {"holds": "does not hold", "does not hold": "holds", "undecided": "undecided"}
NEGATED = ("not lower", "not higher", "trains")
LEVEL = 0.95
FEWEST_SEEDS = 2  # of each arm: a single run has no spread
SMALLEST = 1e-12  # a smaller distance counts as this, so that it has a logarithm

RULE = (
    "Each run of an arm, one for each seed, gives one value of the metric. Two arms are compared by the difference of "
    "their means over seeds and its 95 % interval by Welch's t, which supposes neither equal spreads nor pairs: a "
    "seed shared by two arms gives them the same order of images and little else, and pairing three seeds would leave "
    "two degrees of freedom.",
    "A claim that an arm is lower (or higher) than another holds if the whole interval lies on the claimed side of "
    "zero, does not hold if the whole interval lies on the other side, and is undecided at this budget otherwise. "
    "A claim may ask for a margin: then the other arm's values are moved by it before they are compared.",
    "A claim that an arm is not lower (or not higher) than another by the margin is the opposite: 'not lower' holds "
    "where 'lower' does not hold, and does not hold where 'lower' holds. No difference found proves nothing.",
    "A claim about several other arms holds if it holds against each of them, and does not hold if it does not hold "
    "against one of them.",
    "A claim that an arm fails to train holds if every run of it diverged, of two or more, or if the whole interval of "
    "the logarithm of its distance over the other arm's lies beyond that of the stated factor. It does not hold if the "
    "whole interval lies below and no run diverged. That an arm trains is the opposite.",
    "Where some runs of an arm diverged, its mean and interval are of the other runs alone, and the verdict says so.",
    "With fewer than two measured seeds of an arm, every claim is undecided, except of an arm whose runs all "
    "diverged: it fails to train where the other arm has two.",
)


class Claim(BaseModel):
    """A statement about an arm against others, written down before anything is measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(description="the claim in words")
    arm: str
    kind: Kind = Field(description="lower, higher, not lower, not higher, fails, trains")
    metric: str = Field("fd_judge", description="its name without the sample count; NAME_* is the mean over attributes")
    than: tuple[str, ...] = Field((), description="arms; left out: every other one")
    by: float = Field(0.0, ge=0, description="margin in the metric's own unit")
    by_share: float = Field(0.0, ge=0, lt=1, description="margin as a share of the other arm's value")
    factor: float = Field(2.0, ge=1, description="of fails and trains: how many times the other's distance is failing")

    @property
    def has_margin(self) -> bool:
        """Whether the other arm's values are moved before they are compared."""
        return self.kind not in ("fails", "trains") and bool(self.by or self.by_share)


@dataclass(frozen=True)
class Outcome:
    """The result of an arm: a value for each measured run, the number of runs, and the number that diverged."""

    values: tuple[float, ...]
    runs: int
    diverged: int = 0

    @property
    def all_diverged(self) -> bool:
        """Whether every run diverged, of enough runs to say so."""
        return self.diverged == self.runs >= FEWEST_SEEDS


@dataclass(frozen=True)
class Comparison:
    """One arm against another.

    mean, other: over seeds; NaN without one.    seeds: of each, measured.
    difference, low, high: of the claim's arm less the other, whose values were moved by the margin; of `fails` and
    `trains` the ratio of their geometric means. NaN without enough runs.
    why: the comparison is undecided, or which runs it leaves out, in words; or ''.
    """

    than: str
    verdict: Verdict
    mean: float
    other: float
    seeds: tuple[int, int]
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    why: str = ""


@dataclass(frozen=True)
class Answer:
    """A claim, its verdict, and the comparisons that it rests on."""

    claim: Claim
    verdict: Verdict
    comparisons: tuple[Comparison, ...]


def answer(claim: Claim, outcomes: Mapping[str, Outcome], absent: Mapping[str, str] | None = None) -> Answer:
    """Whether a claim holds.

    outcomes: of the claim's metric, by arm.    absent: arms that could not be run, and why.
    """
    others = claim.than or tuple(name for name in (*outcomes, *(absent or {})) if name != claim.arm)
    compared = tuple(_compare(claim, other, outcomes, absent or {}) for other in others)
    verdicts = {comparison.verdict for comparison in compared}
    overall: Verdict = "does not hold" if "does not hold" in verdicts else "undecided"
    return Answer(claim, "holds" if verdicts == {"holds"} else overall, compared)


def _compare(claim: Claim, than: str, outcomes: Mapping[str, Outcome], absent: Mapping[str, str]) -> Comparison:
    """One arm against one other."""
    own, other = (outcomes.get(name, Outcome((), 0)) for name in (claim.arm, than))
    mean, beside = (float(np.mean(outcome.values)) if outcome.values else math.nan for outcome in (own, other))
    seeds = (len(own.values), len(other.values))
    for name in (claim.arm, than):
        if name in absent:
            return Comparison(than, "undecided", mean, beside, seeds, why=f"{name} did not run: {absent[name]}")
    failing = claim.kind in ("fails", "trains")
    if failing and own.all_diverged and len(other.values) >= FEWEST_SEEDS:
        verdict: Verdict = "does not hold" if claim.kind in NEGATED else "holds"
        why = f"all {own.diverged} runs of {claim.arm} diverged"
        return Comparison(than, verdict, mean, beside, seeds, why=why)
    if min(seeds) < FEWEST_SEEDS:
        why = "; ".join(_too_few(name, outcome) for name, outcome in ((claim.arm, own), (than, other)))
        return Comparison(than, "undecided", mean, beside, seeds, why=why)
    if failing:
        return _compare_ratio(claim, than, own, other)
    difference, low, high = welch(own.values, move_by_margin(other.values, claim))
    verdict = by_interval(low, high, claim.kind)
    why = _without(claim.arm, own, than, other)
    return Comparison(than, verdict, mean, beside, seeds, difference, low, high, why)


def _compare_ratio(claim: Claim, than: str, own: Outcome, other: Outcome) -> Comparison:
    """Whether an arm's distance is beyond a factor of the other's, on the logarithm."""
    logs = [np.log(np.maximum(outcome.values, SMALLEST)) for outcome in (own, other)]
    difference, low, high = welch(*logs)
    limit = math.log(claim.factor)
    verdict = by_interval(low - limit, high - limit, claim.kind)
    why = _without(claim.arm, own, than, other)
    if own.diverged and verdict == ("holds" if claim.kind in NEGATED else "does not hold"):
        verdict, why = "undecided", f"{own.diverged} of {own.runs} runs of {claim.arm} diverged, the others trained"
    mean, beside = float(np.mean(own.values)), float(np.mean(other.values))
    ratio = (math.exp(difference), math.exp(low), math.exp(high))
    return Comparison(than, verdict, mean, beside, (len(own.values), len(other.values)), *ratio, why=why)


def _too_few(name: str, outcome: Outcome) -> str:
    diverged = f", {outcome.diverged} diverged" if outcome.diverged else ""
    return f"{name}: {len(outcome.values)} of {outcome.runs} measured{diverged}"


def _without(arm: str, own: Outcome, than: str, other: Outcome) -> str:
    """Which runs a comparison leaves out, because they diverged; '' where no run did."""
    parts = [
        f"{outcome.diverged} of {outcome.runs} runs of {name} diverged"
        for name, outcome in ((arm, own), (than, other))
        if outcome.diverged
    ]
    return f"{' and '.join(parts)}: this rests on the others alone" if parts else ""


def move_by_margin(values: Sequence[float], claim: Claim) -> list[float]:
    """The other arm's values, moved by the claim's margin towards the claimed side."""
    sign = -1 if claim.kind.endswith("lower") else 1
    return [value + sign * (claim.by + claim.by_share * abs(value)) for value in values]


def by_interval(low: float, high: float, kind: Kind) -> Verdict:
    """The verdict on a claim from the interval of the difference."""
    if kind in ("higher", "not higher", "fails", "trains"):
        low, high = -high, -low
    verdict: Verdict = "holds" if high < 0 else "does not hold" if low > 0 else "undecided"
    return OPPOSITE[verdict] if kind in NEGATED else verdict


def welch(one: ArrayLike, other: ArrayLike) -> tuple[float, float, float]:
    """Difference of two means, and its 95 % interval by Welch's t.  [n], [m], each of two or more"""
    from scipy.stats import ttest_ind  # which takes half a second to import

    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    difference = float(first.mean() - second.mean())
    if not (np.ptp(first) or np.ptp(second)):  # no seed differs from another
        return difference, difference, difference
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # of an arm whose seeds are all but equal
        low, high = ttest_ind(first, second, equal_var=False).confidence_interval(LEVEL)
    return difference, float(low), float(high)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean over seeds and its 95 % interval by Student's t; NaN with too few values."""
    from scipy.stats import ttest_1samp

    if not values:
        return math.nan, math.nan, math.nan
    mean = float(np.mean(values))
    if len(values) < FEWEST_SEEDS:
        return mean, math.nan, math.nan
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # of seeds that are all but equal
        low, high = ttest_1samp(values, 0).confidence_interval(LEVEL)
    return mean, float(low), float(high)


def value_of(scores: Mapping[str, Score], name: str) -> float | None:
    """A run's value of a metric, or None where it has none.

    name: as in metrics.json; or without the sample count that stands in it there (fd_judge for fd_judge_2k); or
    NAME_*, the mean over everything that begins so, such as flip_rate_* over the attributes.

    Raises: RecipeError where a name without its count fits several.
    """
    if name in scores:
        names = [name]
    elif name.endswith("_*"):
        names = [key for key in scores if key.startswith(name[:-1])]
    else:
        names = [key for key in scores if find(key).number.general == name]
        if len(names) > 1:
            raise RecipeError(f"metric {name!r} fits {', '.join(names)}. Give one of these names in full.")
    values = [scores[key].value for key in names]
    return float(np.mean(values)) if values and all(map(math.isfinite, values)) else None
