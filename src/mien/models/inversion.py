"""A way into a generator: an encoder that learns which latent gives a face, beside the networks that make faces."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mien.faces.batches import Batch
from mien.models import losses
from mien.models.adversarial import Adversarial, AdversarialConfig
from mien.models.base import Encodes, LossTerm, Phase, Term, Terms
from mien.models.convnets import Encoder
from mien.models.terms import SQUARED_ERROR, Quantity

START, EVERY = 0.4, 5  # the encoder follows a generator that makes faces already
LEARNING_RATE = 3.0  # factor on the recipe's
LATENT_WEIGHT = 0.02  # of a nat a latent, beside the squared error of pixels in [-1, 1]

LATENT = Quantity(
    "Encoder: nats a latent",
    healthy="It falls from 1.42, what a guess of N(0, I) costs: the encoder finds the latent of generated faces.",
)


@contextmanager
def held_still(network: nn.Module) -> Iterator[None]:
    """Context in which a network computes as it does after training, and keeps no statistics."""
    was = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was)


def told_of_encoder(model: type[Adversarial]) -> str:
    """What a model is, and what an encoder adds to it."""
    return f"{model.about} An encoder, which learnt beside them, finds the noise from which a face is made."


class Inverts(Encodes, Adversarial):
    """An adversarial model with an encoder; the generator and the discriminator learn nothing from it.

    Of generated faces the latent is known: the encoder gives a normal distribution around it. Of real ones it is not:
    what the generator makes of the mean is to be near the face in pixels.
    Source: Zhu et al. 2020 (arXiv:2004.00049), section 3.1, without its discriminator and its perceptual loss.
    """

    def __init__(self, config: AdversarialConfig, image_size: int) -> None:
        super().__init__(config, image_size)
        body = (image_size, config.width, config.depth)
        self.encoder = Encoder(*body, 2 * config.latent_dim, config.of_generator)
        terms = {
            "reconstruction": LossTerm(SQUARED_ERROR, "encoder, training"),
            "latent": LossTerm(LATENT, "of generated faces", LATENT_WEIGHT),
        }
        encoder = Phase(
            "encoder",
            ("encoder",),
            self.encoder_loss,
            every=EVERY,
            start=START,
            learning_rate=LEARNING_RATE,
            title="encoder",
            terms=terms,
        )
        self.phases = (*self.phases, encoder)

    def encoder_loss(self, batch: Batch) -> Terms:
        """How far the generator's answer is from real faces, and the latents from those of generated ones."""
        z = batch.noise(self.latent_dim)
        with held_still(self.generator):
            with torch.no_grad():
                generated = self.generate(z, batch.y)
            found, _ = self.encode(batch.x)
            mu, logvar = self.encode(generated)
            given_back = self.generate(found, batch.y)
        latent = losses.normal_cross_entropy(z, mu, logvar).mean()
        return {
            "reconstruction": Term(losses.squared_error(given_back, batch.x).mean()),
            "latent": Term(latent, LATENT_WEIGHT),
        }

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z given x).  [N,3,S,S] -> [N,Z] x 2"""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar.clamp(-10, 2)
