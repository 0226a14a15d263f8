"""A trained model in one file: its weights, its recipe and the facts that sampling needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mien.errors import RecipeError, RunError, in_one_line, quoted
from mien.faces.source.decode import Crop
from mien.files.reading import is_there
from mien.files.tensors import UNREADABLE, Shapes, read_header, read_tensors, write_tensors
from mien.files.validation import checked, require_format
from mien.health import DISTANCE
from mien.models import build
from mien.models.base import Encodes, Model
from mien.pictures import arrays, of_models
from mien.pictures.arrays import Combinations
from mien.recipes.recipe import Recipe, check
from mien.runs.records import WeightsFacts
from mien.training.devices import choose_device

FORMAT = 1


@dataclass(frozen=True)
class TrainedModel:
    """A model with its recipe, as `mien.open_run` gives it."""

    model: Model
    recipe: Recipe
    images_seen: int
    combinations: Combinations
    crop: Crop = "square"  # the part kept of each training picture, and so of others
    distance: float | None = None  # Fréchet, to the validation images in the judge's features; None: not measured

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes that can be set; empty for a model without conditions."""
        return self.model.attributes

    @property
    def image_size(self) -> int:
        """Side of its images, in pixels."""
        return self.model.image_size

    def sample(
        self, count: int = 32, *, seed: int = 0, attributes: Mapping[str, float] | None = None
    ) -> arrays.Pictures:
        """New faces.  -> uint8 [count,S,S,3]

        attributes: values in [0, 1] for some or all of the model's attributes; the others are drawn as they occur
        in training faces that have those.

        Raises: RecipeError for an attribute the model does not know, or a value out of range.
        """
        arrays.require_sample(count, seed)
        z = of_models.latents(self.model, count, seed)
        return of_models.generate(self.model, z, self.labels(count, seed=seed, attributes=attributes))

    def latents(self, count: int, seed: int) -> NDArray[np.float32]:
        """Latents of new faces: from N(0, I), or carried from there by the model's prior.  -> [count,Z]"""
        found: NDArray[np.float32] = of_models.latents(self.model, count, seed).numpy()
        return found

    def labels(self, count: int, *, seed: int = 0, attributes: Mapping[str, float] | None = None) -> Tensor | None:
        """Attributes for new faces.  -> [count,A], or None for a model without conditions

        Raises: RecipeError for an attribute the model does not know, or a value out of range.
        """
        y = arrays.labels(
            self.attributes, self.combinations, count, seed=seed, given=attributes or {}, model=self.recipe.model.name
        )
        return None if y is None else torch.from_numpy(y)

    def generate(self, z: NDArray[np.float32], y: NDArray[np.float32] | None = None) -> arrays.Pictures:
        """Pictures from latents, and attributes where the model is conditional.  [N,Z], [N,A] -> uint8 [N,S,S,3]

        Raises: DataError for arrays of other shapes, or without the attributes.
        """
        arrays.require_rows("latents", z, self.model.latent_dim)
        if self.attributes:
            arrays.require_rows("attributes", y, len(self.attributes), len(z))
        return of_models.generate(self.model, torch.from_numpy(z), None if y is None else torch.from_numpy(y))

    def encode(
        self, images: NDArray[np.uint8], y: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and log-variance of each picture's latent.  uint8 [N,S,S,3], [N,A] -> [N,Z] x 2

        y: attributes of the pictures, where the model is conditional; left out, none is known (0.5 each).

        Raises: RecipeError where the model has no encoder; DataError for other arrays.
        """
        arrays.require_pictures(images, self.image_size)
        return of_models.encode(self._encoder(), images, self._known(len(images), y))

    def reconstruct(self, images: NDArray[np.uint8], y: NDArray[np.float32] | None = None) -> arrays.Pictures:
        """Faces through the model and back.  uint8 [N,S,S,3], [N,A] -> uint8 [N,S,S,3]

        Raises: as `encode`.
        """
        arrays.require_pictures(images, self.image_size)
        return of_models.reconstruct(self._encoder(), images, self._known(len(images), y))

    def _encoder(self) -> Encodes:
        if not isinstance(self.model, Encodes):
            raise RecipeError(
                f"the {self.model.title} has no encoder, so it cannot take a picture. Give a run of a model with one."
            )
        return self.model

    def _known(self, count: int, y: NDArray[np.float32] | None) -> Tensor | None:
        known = arrays.labels_of_pictures(self.attributes, count, {}) if y is None else y
        if known is not None and self.attributes:
            arrays.require_rows("attributes", known, len(self.attributes), count)
        return torch.from_numpy(known) if known is not None and self.attributes else None


def save_model(path: Path, trained: TrainedModel) -> None:
    """Write the weights, with the recipe and the attributes' combinations in the metadata.

    Raises: RunError where the file cannot be written.
    """
    content = {
        "format": FORMAT,
        "recipe": trained.recipe.model_dump(mode="json", exclude_none=True),
        "images_seen": trained.images_seen,
        "combinations": trained.combinations,
        "crop": trained.crop,
        DISTANCE: trained.distance,
    }
    write_tensors(path, trained.model.state_dict(), content)


def load_model(path: Path) -> TrainedModel:
    """Read a file of weights.

    Raises: RunError where the file is missing, may not be read, is damaged or of another version.
    """
    recipe = require_fit(path)
    try:
        content, tensors = read_tensors(path)
        model = build(recipe.model, recipe.data.size)
        model.load_state_dict(tensors)
        facts = checked(WeightsFacts, content)
        facts.require_attributes(len(model.attributes))
    except (OSError, *UNREADABLE) as error:
        raise unreadable(path, error) from error
    model.to(choose_device("auto")).eval()
    return TrainedModel(model, recipe, facts.images_seen, facts.combinations, facts.crop, facts.distance)


def require_fit(path: Path) -> Recipe:
    """The recipe in a file of weights, after a check that the header lists the tensors of its networks and no others.

    No tensor is read.  Raises: as `load_model`.
    """
    if not is_there(path):
        hint = f"`mien resume {quoted(path.parent)}` trains the run to its end."
        raise RunError(f"{path}: there are no weights yet. {hint}")
    try:
        content, shapes = read_header(path)
        require_format(path, "a file of weights", content.get("format"), FORMAT, "Use the version that wrote it.")
        recipe = check(content["recipe"], str(path), path.parent)
        require_shapes(recipe, shapes)
    except (OSError, *UNREADABLE) as error:
        raise unreadable(path, error) from error
    return recipe


def unreadable(path: Path, error: Exception) -> RunError:
    """The error for damaged weights."""
    return RunError(f"{path}: weights that cannot be read ({in_one_line(error)}). Train the run again.")


def require_shapes(recipe: Recipe, found: Shapes) -> None:
    """Raises: ValueError where the names and shapes are not those of the recipe's networks."""
    with torch.device("meta"):
        expected = {name: tuple(t.shape) for name, t in build(recipe.model, recipe.data.size).state_dict().items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ValueError(f"{name[:100]} is {found.get(name)}, where its recipe has {expected.get(name)}")
