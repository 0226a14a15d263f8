"""WGAN with a gradient penalty: a critic that learns faster than the generator, and points drawn between images."""

import torch
from pydantic import Field
from torch import Tensor

from mien.models.base import Batch, Discriminates, LossTerm, ModelConfig, Phase, Quantity, Term, Terms
from mien.models.convnets import Decoder, Encoder

SCORES = Quantity("Critic's scores", reference=(0.0, "no difference"))
PENALTY = Quantity("Gradient penalty: distance of the critic's slope from 1", logarithmic=True)


class Config(ModelConfig):
    """Options of the WGAN-GP."""

    penalty_weight: float = Field(10.0, ge=0)
    critic_updates: int = Field(2, ge=1)


class WGANGP(Discriminates):
    """Wasserstein GAN with gradient penalty. Source: Gulrajani et al. 2017 (arXiv:1704.00028), algorithm 1."""

    Config = Config
    title = "WGAN-GP"

    def __init__(self, config: Config, image_size: int) -> None:
        super().__init__(config, image_size)
        self.generator = Decoder(image_size, config.width, config.depth, config.latent_dim, config.normalization)
        self.critic = Encoder(image_size, config.width, config.depth, 1, config.normalization)
        self.penalty_weight = config.penalty_weight
        of_critic = {"scores": LossTerm(SCORES, "generated less real"), "penalty": LossTerm(PENALTY, "critic")}
        self.phases = (
            Phase("critic", ("critic",), self.critic_loss, config.critic_updates, learning_rate=2.0, terms=of_critic),
            Phase("generator", ("generator",), self.generator_loss, terms={"score": LossTerm(SCORES, "generator")}),
        )

    def critic_loss(self, batch: Batch) -> Terms:
        """The critic's scores of generated images less those of real ones, and how far its slope is from 1."""
        fake = self.generate(batch.noise(self.latent_dim)).detach()
        share = batch.uniform(1)[:, :, None, None]
        between = (share * batch.x + (1 - share) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(self.realness(between).sum(), between, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        scores = self.realness(fake).mean() - self.realness(batch.x).mean()
        return {"scores": Term(scores), "penalty": Term(penalty, self.penalty_weight)}

    def generator_loss(self, batch: Batch) -> Terms:
        """The critic's score of generated images, with its sign turned."""
        return {"score": Term(-self.realness(self.generate(batch.noise(self.latent_dim))).mean())}

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images.  [N,Z] -> [N,3,S,S]"""
        return self.generator(z)

    def realness(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The critic's score.  [N,3,S,S] -> [N]"""
        return self.critic(x)[:, 0]
