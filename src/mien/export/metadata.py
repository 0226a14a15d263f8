"""The metadata of an exported model's files, and its model card."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mien.export.runtime import FORMAT
from mien.faces.pack.statistics import crop_words
from mien.files.writing import digest
from mien.models.base import Encodes
from mien.runs.folder import Run
from mien.runs.weights import TrainedModel, load_model
from mien.version import __version__

USES = """
## What it is for

Studying, teaching and playing with generative models of faces.

## What it must not be used for

- Identifying people, checking identities, or judging a person's character, emotion, health, ability or origin.
- Passing its images off as photographs of people or of events.
- Altering a picture of a person who has not agreed to it.

## Limits

It reproduces the faces it was trained on and little else: people who are rare or missing there come out badly. Its
attributes are the labels of those faces; attributes that occur together there change together. An image of it can
resemble a face it was trained on; ask those people before the model is given to others.
"""


@dataclass(frozen=True)
class Source:
    """What is exported: a trained model, its file of weights, and the fingerprint of its data where it is known."""

    trained: TrainedModel
    weights: Path
    fingerprint: str | None

    @cached_property
    def digest(self) -> str:
        """Of the weights, as in a run's metrics."""
        return "sha256:" + digest(self.weights)


def open_source(path: Path) -> Source:
    """A trained run, or one of its files of weights.

    Raises: RunError where it is not a run or a file of weights, or the run is not trained yet.
    """
    run = Run(path.parent) if path.is_file() else Run.open(path)
    weights = path if path.is_file() else run.weights
    trained = load_model(weights)
    fingerprint = run.provenance().data_fingerprint if run.provenance_file.is_file() else None
    return Source(trained, weights, fingerprint)


def metadata(source: Source, part: str, tolerance: dict[str, float]) -> dict[str, Any]:
    """The metadata of an ONNX file; plain JSON.

    part: 'generator', 'encoder' or 'prior'.    tolerance: the largest difference from PyTorch, by its unit.
    """
    trained = source.trained
    return {
        "format": FORMAT,
        "mien": __version__,
        "part": part,
        "weights": source.digest,
        "recipe": recipe_to_give_away(trained),
        "attributes": list(trained.attributes),
        "combinations": trained.combinations,
        "crop": trained.crop,
        "images_seen": trained.images_seen,
        "encodes": isinstance(trained.model, Encodes),
        "prior": trained.model.prior is not None,
        "tolerance": tolerance,
        "card": model_card(source),
    }


def recipe_to_give_away(trained: TrainedModel) -> dict[str, Any]:
    """The recipe with the names of its files but without their folders, which are private."""
    recipe: dict[str, Any] = trained.recipe.model_dump(mode="json", exclude_none=True)
    recipe["model"]["name"] = recipe["model"]["name"].rpartition("/")[2]  # of a model of the user's own: its file
    for key in ("source", "attributes_table"):
        if key in recipe["data"]:
            recipe["data"][key] = Path(recipe["data"][key]).name
    return recipe


def model_card(source: Source) -> str:
    """The model in words, as Markdown: its purpose, its training data and its limits."""
    trained = source.trained
    recipe = recipe_to_give_away(trained)
    size, kind = trained.image_size, (trained.model.__doc__ or "").partition("\n")[0]
    faces = sum(count for _, count in trained.combinations)
    known = (
        f"fingerprint {source.fingerprint}" if source.fingerprint else "fingerprint not known: only weights were given"
    )
    told = f"It is told {', '.join(trained.attributes)}. " if trained.attributes else ""
    model = recipe["model"]
    return f"""# Model card: {recipe["name"]}

`{model["name"]}`, trained and exported by mien {__version__}. {kind}
It makes RGB images of {size} x {size} pixels from {model["latent_dim"]} numbers. {told}Weights {source.digest[:19]}.

## What it learnt from

{faces:,} training faces of `{recipe["data"]["source"]}` ({known}), crop: {crop_words(trained.crop)}.
It saw {trained.images_seen:,} images, {trained.images_seen / max(faces, 1):.1f} times each face.
{USES}"""
