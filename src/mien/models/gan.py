"""The generative adversarial network."""

from typing import Any, Literal

from torch import Tensor

from mien.faces.batches import Batch
from mien.models import losses
from mien.models.adversarial import Adversarial, AdversarialConfig
from mien.models.base import Term, Terms
from mien.models.convnets import Decoder, Encoder
from mien.models.inversion import Inverts, told_of_encoder


class GANConfig(AdversarialConfig):
    """Options of the GAN."""

    name: Literal["gan"] = "gan"

    @property
    def model_class(self) -> Any:
        """The class with an encoder, where one is asked for."""
        return InvertibleGAN if self.encoder else super().model_class


class GAN(Adversarial):
    """Generative adversarial network with the non-saturating loss.

    Source: Goodfellow et al. 2014 (arXiv:1406.2661).
    """

    Config = GANConfig
    title = "GAN"
    about = (
        "A generative adversarial network is two networks at odds: a generator turns noise into faces, and a "
        "discriminator learns to tell them from real ones. The generator never sees a real face; it learns from what "
        "gives its own away."
    )
    chapter = 2

    def __init__(self, config: GANConfig, image_size: int) -> None:
        super().__init__(config, image_size)
        body = (image_size, config.width, config.depth)
        self.generator = Decoder(*body, config.latent_dim, config.of_generator)
        self.discriminator = Encoder(*body, 1, config.normalization)

    def discriminator_loss(self, batch: Batch) -> Terms:
        """Cross-entropy of the discriminator on real and on generated images."""
        return {
            "adversarial_real": Term(losses.judged_real(self.realness(self.real(batch))).mean()),
            "adversarial_fake": Term(losses.judged_fake(self.realness(self.fake(batch))).mean()),
        }

    def generator_loss(self, batch: Batch) -> Terms:
        """Cross-entropy of the discriminator on generated images against the answer 'real'."""
        return {"adversarial": Term(losses.judged_real(self.realness(self.fake(batch))).mean())}

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images from latents.  [N,Z] -> [N,3,S,S] in [-1, 1]"""
        image: Tensor = self.generator(z)
        return image


class InvertibleGAN(Inverts, GAN):
    """A GAN with an encoder."""

    title = GAN.title
    about = told_of_encoder(GAN)
