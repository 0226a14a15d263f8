"""What adversarial models have in common: two networks at odds, their options, and the phases that train them."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from mien.faces.batches import Batch
from mien.models import losses
from mien.models.augmentation import alter
from mien.models.base import Discriminates, LossTerm, Phase, Term, Terms
from mien.models.options import ModelConfig, Normalization
from mien.models.terms import ADVERSARIAL, R1_PENALTY


class AdversarialConfig(ModelConfig):
    """Options that every adversarial model has."""

    generator_normalization: Normalization | Literal["same"] = Field(
        "same", description="of the generator's maps; same: as model.normalization, which the discriminator has"
    )
    discriminator_updates: int = Field(1, ge=1, le=100, description="of the discriminator for one of the generator")
    r1_weight: float = Field(0.0, ge=0, description="gamma of the R1 gradient penalty; 0 leaves it out")
    r1_every: int = Field(16, ge=1, description="steps from one penalty to the next (its weight is scaled by it)")
    augmentation_passes: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(
        0.0,
        description="over the training images, until the discriminator sees 6 of 10 altered; 0: never; auto: 300 for "
        "fewer than 5,000 training images",
    )

    encoder: bool = Field(False, description="train one too, which finds the latent of a face")

    @property
    def of_generator(self) -> Normalization:
        """The normalization of the generator's maps."""
        return self.normalization if self.generator_normalization == "same" else self.generator_normalization


DISCRIMINATOR_TERMS = {
    "adversarial_real": LossTerm(ADVERSARIAL, "D on real"),
    "adversarial_fake": LossTerm(ADVERSARIAL, "D on generated"),
}
GENERATOR_TERMS = {"adversarial": LossTerm(ADVERSARIAL, "G")}


class Adversarial(Discriminates):
    """A generator and a discriminator, each frozen while the other moves; a subclass has their losses.

    The discriminator moves first, and each learns on images made for it alone: docs/speed.md has the gain
    and the cost of sharing them. The lazy R1 penalty is a phase of its own.

    Source: Karras et al. 2020 (arXiv:1912.04958), section 3.1.
    """

    generator: nn.Module
    discriminator: nn.Module

    def __init__(
        self,
        config: AdversarialConfig,
        image_size: int,
        discriminator_terms: Mapping[str, LossTerm] = DISCRIMINATOR_TERMS,
        generator_terms: Mapping[str, LossTerm] = GENERATOR_TERMS,
    ) -> None:
        super().__init__(config, image_size)
        self.r1_scale = config.r1_weight / 2 * config.r1_every
        passes = config.augmentation_passes
        self.augmentation_passes = passes if isinstance(passes, float) else 0.0  # "auto" was settled, or nobody asked
        updates = config.discriminator_updates
        discriminator = Phase(
            "discriminator",
            ("discriminator",),
            self.discriminator_loss,
            repeat=updates,
            title="D",
            terms=discriminator_terms,
        )
        penalty = {"penalty": LossTerm(R1_PENALTY, "D on real", self.r1_scale)}
        r1 = Phase("r1", ("discriminator",), self.r1_loss, every=config.r1_every, title="R1", terms=penalty)
        generator = Phase("generator", ("generator",), self.generator_loss, title="G", terms=generator_terms)
        self.phases = (discriminator, r1, generator) if config.r1_weight else (discriminator, generator)

    def discriminator_loss(self, batch: Batch) -> Terms:
        """The terms that the discriminator minimises."""
        raise NotImplementedError

    def generator_loss(self, batch: Batch) -> Terms:
        """The terms that the generator minimises."""
        raise NotImplementedError

    def fake(self, batch: Batch) -> Tensor:
        """What the discriminator sees of images from new noise and the attributes of a batch.  -> [N,3,S,S]"""
        return self.altered(self.generate(batch.noise(self.latent_dim), batch.y), batch)

    def real(self, batch: Batch) -> Tensor:
        """What the discriminator sees of the images of a batch.  -> [N,3,S,S]"""
        return self.altered(batch.x, batch)

    def altered(self, x: Tensor, batch: Batch) -> Tensor:
        """Images of a batch, altered where the recipe says so.  [N,3,S,S] -> [N,3,S,S]"""
        return alter(x, batch, self.augmentation_passes) if self.augmentation_passes else x

    def realness(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The discriminator's logit of an image being real.  [N,3,S,S] -> [N]"""
        logit: Tensor = self.discriminator(x)[:, 0]
        return logit

    def r1_loss(self, batch: Batch) -> Terms:
        """The gradient penalty on real images."""
        x = self.real(batch).detach().requires_grad_()
        return {"penalty": Term(losses.gradient_penalty_r1(self.realness(x), x).mean(), self.r1_scale)}
