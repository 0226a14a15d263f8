"""The table of models. A new model is a file and a line in the table, or a file of the user's own."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import RecipeError, did_you_mean, shown
from mien.models.options import ModelConfig
from mien.models.own_code import class_for_recipe, class_for_run, is_own

if TYPE_CHECKING:
    from mien.models.base import Model

MODELS = {  # where each class is; it is imported when a recipe asks for it, as that loads torch
    "vae": "mien.models.vae:VAE",
    "gan": "mien.models.gan:GAN",
    "acgan": "mien.models.acgan:ACGAN",
}


def model_class(name: object, *, run: Path | None = None) -> "type[Model]":
    """The class of a model: a name of the table, 'FILE.py:CLASS' or 'MODULE:CLASS'.

    run: the folder of the run that names it, whose code runs only if the user has given it before.

    Raises: RecipeError where there is no such model; RunError for a run's code that the user has not given.
    """
    if isinstance(name, str) and name in MODELS:
        module, _, class_name = MODELS[name].partition(":")
        found: type[Model] = getattr(import_module(module), class_name)
        return found
    if isinstance(name, str) and is_own(name):
        return class_for_run(name, run) if run else class_for_recipe(name)
    raise RecipeError(
        f"model.name is {shown(name)}, which is not a model.{did_you_mean(str(name), MODELS)} "
        f"Models: {', '.join(MODELS)}; or a class of your own, as FILE.py:CLASS."
    )


def class_of(config: ModelConfig) -> "type[Model]":
    """The class that takes these options."""
    found: type[Model] = config.model_class or model_class(config.name)
    return found


def build(config: ModelConfig, image_size: int) -> "Model":
    """A model with fresh weights, drawn from PyTorch's own generator.

    Raises: RecipeError where its networks cannot take images of that size.
    """
    return class_of(config)(config, image_size)
