"""A GAN of other layers: residual blocks, group norm, SiLU, nearest upsampling, bilinear skips, a warm-up by itself."""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from mien.models import losses
from mien.models.base import Batch, Discriminates, LossTerm, ModelConfig, Phase, Term, Terms
from mien.models.terms import ADVERSARIAL


def norm(channels: int) -> nn.GroupNorm:
    """Four groups, or as many as there are."""
    return nn.GroupNorm(4 if channels % 4 == 0 else 1, channels)


class UpBlock(nn.Module):
    """Twice as large: nearest upsampling and two convolutions, beside a bilinear skip."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip, self.norms = nn.Conv2d(inputs, outputs, 1), nn.ModuleList([norm(inputs), norm(outputs)])

    def forward(self, x: Tensor) -> Tensor:
        """[N,C,S,S] -> [N,D,2S,2S]"""
        body = self.first(F.interpolate(F.silu(self.norms[0](x)), scale_factor=2, mode="nearest"))
        body = self.second(F.silu(self.norms[1](body)))
        return body + self.skip(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))


class Generator(nn.Module):
    """A latent to an image, by residual blocks."""

    def __init__(self, config: ModelConfig, image_size: int) -> None:
        super().__init__()
        self.start, self.channels = image_size >> config.depth, config.width << (config.depth - 1)
        self.linear = nn.Linear(config.latent_dim, self.channels * self.start**2)
        sizes = [self.channels >> step for step in range(config.depth)] + [config.width]
        self.blocks = nn.Sequential(*(UpBlock(one, other) for one, other in pairwise(sizes)))
        self.last = nn.Conv2d(sizes[-1], 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """[N,Z] -> [N,3,S,S] in [-1, 1]"""
        x = self.linear(z).view(len(z), self.channels, self.start, self.start)
        return self.last(F.silu(self.blocks(x))).float().tanh()


class ResidualGAN(Discriminates):
    """A GAN whose layers have nothing in common with those of the other models."""

    Config = ModelConfig

    def __init__(self, config: ModelConfig, image_size: int) -> None:
        super().__init__(config, image_size)
        self.generator = Generator(config, image_size)
        width = config.width
        self.discriminator = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1), nn.SiLU(), nn.Conv2d(width, 2 * width, 3, 2, 1), norm(2 * width), nn.SiLU(),
            nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(32 * width, 1),
        )  # fmt: skip
        real = {"adversarial": LossTerm(ADVERSARIAL, "D")}
        self.phases = (
            Phase("discriminator", ("discriminator",), self.discriminator_loss, title="D", terms=real),
            Phase("generator", ("generator",), self.generator_loss, start=0.25, title="G"),
        )

    def discriminator_loss(self, batch: Batch) -> Terms:
        """Both halves of the non-saturating loss at once."""
        fake = losses.judged_fake(self.realness(self.generate(batch.noise(self.latent_dim))))
        return {"adversarial": Term((losses.judged_real(self.realness(batch.x)) + fake).mean())}

    def generator_loss(self, batch: Batch) -> Terms:
        """The generator's, which sets in with time."""
        fake = losses.judged_real(self.realness(self.generate(batch.noise(self.latent_dim))))
        return {"adversarial": Term(fake.mean(), batch.progress)}

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images.  [N,Z] -> [N,3,S,S]"""
        return self.generator(z)

    def realness(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logit of being real.  [N,3,S,S] -> [N]"""
        return self.discriminator(x).float()[:, 0]
