"""The variational autoencoder."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from mien import losses
from mien.faces.batches import Batch
from mien.models.base import Model, ModelConfig, Phase, Terms
from mien.nets import Decoder, Encoder


class VAEConfig(ModelConfig):
    """Options of the VAE."""

    name: Literal["vae"] = "vae"
    kl_weight: float = Field(1e-4, ge=0, description="of the KL (summed over latents) against the mean squared error")


class VAE(Model):
    """Variational autoencoder with a Gaussian decoder.

    Minimises mean squared error over pixels in [-1, 1] + kl_weight * KL summed over latents.
    Source: Kingma & Welling 2014 (arXiv:1312.6114), equation 10.
    """

    Config = VAEConfig

    def __init__(self, config: VAEConfig, image_size: int) -> None:
        super().__init__(config, image_size)
        body = (image_size, config.width, config.depth)
        self.encoder = Encoder(*body, 2 * config.latent_dim, config.normalization)
        self.decoder = Decoder(*body, config.latent_dim, config.normalization)
        self.kl_weight = config.kl_weight
        self.phases = (Phase("vae", moves=("encoder", "decoder"), loss=self.loss),)

    def loss(self, batch: Batch) -> Terms:
        """The negative evidence lower bound, scaled so that the squared error is a mean over pixels."""
        mu, logvar = self.encode(batch.x)
        z = mu + (0.5 * logvar).exp() * torch.randn_like(mu)
        return {
            "reconstruction": losses.squared_error(self.decoder(z), batch.x).mean(),
            "kl": self.kl_weight * losses.kl_to_standard_normal(mu, logvar).mean(),
        }

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z given x).  [N,3,S,S] -> [N,Z] x 2"""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images from latents.  [N,Z] -> [N,3,S,S] in [-1, 1]"""
        image: Tensor = self.decoder(z)
        return image


def equivalent_beta(kl_weight: float, image_size: int) -> float:
    """The weight on the KL, in nats, beside -log N(x; x_hat, I) summed over all pixels and channels.

    kl_weight = 2 * beta / D with D = 3 * size**2. It is also the variance of the decoder's Gaussian at which
    the objective is the evidence lower bound with beta = 1. Source: Higgins et al. 2017; Rybkin et al. 2021
    (arXiv:2006.13202), section 3.
    """
    return kl_weight * 3 * image_size**2 / 2
