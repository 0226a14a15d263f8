"""The table of models. A new model is one file beside this one and one line in the table."""

from mien.models.acgan import ACGAN
from mien.models.base import Model
from mien.models.gan import GAN
from mien.models.options import ModelConfig
from mien.models.vae import VAE

MODELS: dict[str, type[Model]] = {
    "vae": VAE,
    "gan": GAN,
    "acgan": ACGAN,
}


def build(config: ModelConfig, image_size: int) -> Model:
    """A model with fresh weights, drawn from PyTorch's own generator.

    Raises: RecipeError where its networks cannot take images of that size.
    """
    return MODELS[config.name](config, image_size)
