"""A conditional VAE: the encoder is told the attributes, q(z given x, y), and so is the decoder."""

import torch
from pydantic import Field
from torch import Tensor, nn

from mien.models.base import Batch, Encodes, LossTerm, ModelConfig, Phase, Term, Terms
from mien.models.convnets import Decoder, Encoder
from mien.models.losses import kl_to_standard_normal, squared_error
from mien.models.terms import KL_DIVERGENCE, SQUARED_ERROR


class Config(ModelConfig):
    """Options of the conditional VAE."""

    attributes: tuple[str, ...] = ()
    kl_weight: float = Field(1e-3, ge=0)


class ConditionalVAE(Encodes):
    """A VAE whose latents need not hold the attributes, since encoder and decoder are told them.

    Source: Sohn et al. 2015, "Learning structured output representation using deep conditional generative models".
    """

    Config = Config
    title = "conditional VAE"

    def __init__(self, config: Config, image_size: int) -> None:
        super().__init__(config, image_size)
        self.attributes, count = config.attributes, len(config.attributes)
        body = (image_size, config.width, config.depth)
        self.encoder = Encoder(*body, 64, config.normalization)
        self.head = nn.Linear(64 + count, 2 * config.latent_dim)
        self.decoder = Decoder(*body, config.latent_dim + count, config.normalization)
        self.kl_weight = config.kl_weight
        terms = {"reconstruction": LossTerm(SQUARED_ERROR, "training"), "kl": LossTerm(KL_DIVERGENCE, "training")}
        self.phases = (Phase("cvae", ("encoder", "head", "decoder"), self.loss, title="CVAE", terms=terms),)

    def loss(self, batch: Batch) -> Terms:
        """The negative evidence lower bound of log p(x given y)."""
        mu, logvar = self.encode(batch.x, batch.y)
        z = mu + (0.5 * logvar).exp() * batch.noise(self.latent_dim)
        reconstruction = squared_error(self.generate(z, batch.y), batch.x).mean()
        return {
            "reconstruction": Term(reconstruction),
            "kl": Term(kl_to_standard_normal(mu, logvar).mean(), self.kl_weight),
        }

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z given x, y).  [N,3,S,S], [N,A] -> [N,Z] x 2"""
        if y is None:
            raise ValueError("a conditional VAE needs attributes: give y of shape [N, A]")
        mu, logvar = self.head(torch.cat([self.encoder(x), y], 1)).float().chunk(2, dim=1)
        return mu, logvar

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images.  [N,Z], [N,A] -> [N,3,S,S]"""
        if y is None:
            raise ValueError("a conditional VAE needs attributes: give y of shape [N, A]")
        return self.decoder(torch.cat([z, y], 1))
