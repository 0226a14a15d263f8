"""A study: arms, budgets, metrics and claims, in one TOML file."""

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mien.errors import did_you_mean, shown
from mien.recipes.recipe import NAME
from mien.studies.verdicts import Claim

BudgetName = Literal["quick", "full"]
MOST_ARMS = 1000  # each is trained several times
SCIENTIFIC_BELOW = 0.1  # a smaller number is an arm's name as 1e-2


class Part(BaseModel):
    """A part of a study, which refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Arm(Part):
    """One way to train: a recipe and what is changed in it."""

    name: str = Field(pattern=NAME)
    recipe: str = Field("", description="a preset or a file; left out: the study's")
    set: tuple[str, ...] = Field((), description="section.key=value")
    smallest_size: int = Field(0, description="side of the images, in pixels, below which the arm is left out")


class Budget(Part):
    """How long each run is; in images seen, so that it is the same for every arm."""

    images: int | None = Field(None, ge=1, description="left out: what the recipes say")
    set: tuple[str, ...] = ()


class Axis(Part):
    """A metric that the page plots and tabulates; reference: a metric whose mean is drawn as a line beside it."""

    metric: str
    label: str
    better: Literal["lower", "higher", ""] = ""
    reference: str = ""
    reference_label: str = ""


class TradeOff(Part):
    """Two of the axes' metrics, plotted against each other."""

    x: str
    y: str


class Study(Part):
    """Arms that are trained from several seeds each, and claims about them."""

    name: str = Field(pattern=NAME)
    title: str
    about: str = ""
    recipe: str = ""
    metrics: tuple[str, ...] = Field(min_length=1, description="what is measured: keys of mien.metrics.METRICS")
    axes: tuple[Axis, ...] = Field(min_length=1)
    trade_off: TradeOff | None = None
    vary: dict[str, tuple[Any, ...]] = {}
    arms: tuple[Arm, ...] = ()
    same_parameters_as: str = Field("", description="an arm; the width of every other is chosen to be as large")
    budgets: dict[BudgetName, Budget] = {}
    claims: tuple[Claim, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        count = math.prod(len(values) for values in self.vary.values()) + len(self.arms)
        if count > MOST_ARMS:
            raise ValueError(f"{count:.3g} arms; a study may have {MOST_ARMS:,}. Give fewer values in vary.")
        names = [arm.name for arm in self.all_arms()]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ValueError(f"two arms have one name ({', '.join(twice)}). Rename one.")
        if len(names) < 2:
            raise ValueError(f"a study compares arms, and this one has {len(names)}. Give two or more in vary or arms.")
        if bare := [arm.name for arm in self.all_arms() if not (arm.recipe or self.recipe)]:
            raise ValueError(f"the arm {bare[0]} has no recipe. Give it one, or the study.")
        said = [name for claim in self.claims for name in (claim.arm, *claim.than)]
        for name in [*said, *([self.same_parameters_as] if self.same_parameters_as else [])]:
            if name not in names:
                raise ValueError(
                    f"{shown(name)} is not an arm.{did_you_mean(name, names)} Arms: {', '.join(names[:20])}."
                )
        plotted = [axis.metric for axis in self.axes]
        for name in (self.trade_off.x, self.trade_off.y) if self.trade_off else ():
            if name not in plotted:
                raise ValueError(f"trade_off: {shown(name)} is not the metric of an axis. Axes: {', '.join(plotted)}.")
        return self

    def all_arms(self) -> list[Arm]:
        """Every combination of the values that vary, then the arms that are written out."""
        varied = [
            [
                (name, f"{key}={json.dumps(value, default=str)}")
                for name, value in zip(arm_names(key, values), values, strict=True)
            ]
            for key, values in self.vary.items()
        ]
        combined = [
            Arm(name="_".join(name for name, _ in chosen), set=tuple(override for _, override in chosen))
            for chosen in itertools.product(*varied)
            if chosen
        ]
        return [*combined, *self.arms]


def arm_names(key: str, values: Sequence[object]) -> list[str]:
    """The names of the arms that a key's values make, in their order.

    Raises: ValueError for a value that makes no name, or two that make the same.
    """
    names: list[str] = []
    for value in values:
        name = arm_name(value)
        if not re.match(NAME, name):
            raise ValueError(
                f"vary: {key[:100]} has the value {shown(value)}, which makes no name for an arm. Give it in arms."
            )
        if name in names:
            raise ValueError(f"vary: {key[:100]} has two values that make one name ({name}). Give one of them in arms.")
        names.append(name)
    return names


def arm_name(value: object) -> str:
    """A value as the name of an arm: 1e-5 for 0.00001, 0.5 for 0.5, 1e6 for a million as a float, minus2 for -2."""
    if isinstance(value, int | float):
        text = number_name(value) if isinstance(value, float) else str(value)
        return re.sub(r"^-", "minus", text)
    return re.sub(r"[^A-Za-z0-9.-]+", "-", str(value)).strip("-")


def number_name(value: float) -> str:
    """A number in as few digits as tell it from every other."""
    if 0 < abs(value) < SCIENTIFIC_BELOW:
        text = np.format_float_scientific(value, trim="-")
    else:
        text = f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return re.sub(r"e([+-])0*", lambda found: f"e{found[1].strip('+')}", text)
