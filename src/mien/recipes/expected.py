"""What a recipe gave where it was measured, for whoever asks whether a run is what its recipe gives.

benchmarks/expected.py writes it into expected.json, from finished runs of several seeds.
"""

import json
from functools import cache
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mien.recipes.recipe import Recipe, load_recipe

OF_DATA = ("attributes", "augmentation_passes")  # keys of a model that the data decides
NEAR = 0.1  # share by which a run may be longer or shorter than those that were measured
FREE = {  # keys of a training that change nothing of what comes out, but for chance
    "seed",
    "device",
    "precision",
    "cuda_graphs",
    "epochs",
    "steps",
    "log_every_images",
    "snapshot_every_images",
    "first_snapshot_images",
    "checkpoint_every_seconds",
}


class Expected(BaseModel):
    """What a preset gave on some faces.

    numbers: by their names in metrics.json, the interval that a run from another seed is in, in 95 of 100 cases.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: str
    source: str
    seeds: int = Field(ge=2)
    images_seen: int
    machine: str
    numbers: dict[str, tuple[float, float]]


@cache
def all_expected() -> tuple[Expected, ...]:
    """Whatever was measured."""
    text = resources.files("mien.recipes").joinpath("expected.json").read_text(encoding="utf-8")
    return tuple(Expected.model_validate(entry) for entry in json.loads(text))


def expected_of(recipe: Recipe, images_seen: int) -> Expected | None:
    """What a run of so many images was to give; None for a recipe, faces or a length that nobody measured."""
    for entry in all_expected():
        near = abs(images_seen - entry.images_seen) <= NEAR * entry.images_seen
        if near and recipe.data.source == entry.source and what_decides(recipe) == what_decides(preset(entry.recipe)):
            return entry
    return None


@cache
def preset(name: str) -> Recipe:
    """A preset, read once."""
    return load_recipe(name)


def what_decides(recipe: Recipe) -> dict[str, Any]:
    """The keys of a recipe on which its numbers depend, the faces and the length left out."""
    content = recipe.model_dump(mode="json", exclude={"name", "health"})
    data = {key: content["data"][key] for key in ("size", "crop", "horizontal_flips")}
    model = {key: value for key, value in content["model"].items() if key not in OF_DATA}
    return {"data": data, "model": model, "training": {k: v for k, v in content["training"].items() if k not in FREE}}
