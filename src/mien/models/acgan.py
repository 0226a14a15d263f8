"""The auxiliary-classifier GAN: a generator told which attributes to draw."""

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from mien.faces.batches import Batch
from mien.models import losses
from mien.models.adversarial import DISCRIMINATOR_TERMS, GENERATOR_TERMS, Adversarial, AdversarialConfig
from mien.models.base import Classifies, LossTerm, Term, Terms
from mien.models.convnets import Decoder, Encoder
from mien.models.inversion import Inverts, told_of_encoder
from mien.models.terms import ATTRIBUTES

LabelConditioning = Literal["concat", "embedding"]


class ACGANConfig(AdversarialConfig):
    """Options of the AC-GAN."""

    name: Literal["acgan"] = "acgan"
    attributes: tuple[str, ...] = Field((), description="such as ['Male']; left out, the data decides")
    label_conditioning: LabelConditioning = Field("concat", description="how attributes join the noise")
    classification_weight: float = Field(1.0, ge=0, description="of the auxiliary head's loss")
    classify_generated: bool = Field(True, description="teach the head on generated images as well as on real ones")

    @property
    def model_class(self) -> Any:
        """The class with an encoder, where one is asked for."""
        return InvertibleACGAN if self.encoder else super().model_class


class ConditionalGenerator(nn.Module):
    """A decoder whose latent is joined by attributes.  [N,Z], [N,A] -> [N,3,S,S]

    concat: the attributes follow the noise, Z + A inputs. embedding: the noise is multiplied by the sum of one
    learned vector for each attribute's value, as the class embedding of the common implementations does.
    """

    def __init__(self, config: ACGANConfig, image_size: int, attributes: int) -> None:
        super().__init__()
        concat = config.label_conditioning == "concat"
        inputs = config.latent_dim + (attributes if concat else 0)
        self.decoder = Decoder(image_size, config.width, config.depth, inputs, config.of_generator)
        self.embedding = None if concat else nn.Parameter(torch.randn(2, attributes, config.latent_dim))

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Images from latents and attributes in [0, 1].  [N,Z], [N,A] -> [N,3,S,S] in [-1, 1]"""
        if self.embedding is None:
            joined = torch.cat([z, y], dim=1)
        else:
            joined = z * ((1 - y) @ self.embedding[0] + y @ self.embedding[1])
        image: Tensor = self.decoder(joined)
        return image


class ACGAN(Adversarial, Classifies):
    """GAN with labels and an auxiliary head that tells the attributes of real and generated images.

    A head that learns on generated images too, as in the paper, can agree with the generator on a sign that no
    real image has; `classify_generated` leaves that out.
    Source: Odena et al. 2017 (arXiv:1610.09585), equations 2 and 3.
    """

    Config = ACGANConfig
    title = "AC-GAN"
    about = (
        "An auxiliary-classifier GAN is told which attributes to draw. Its discriminator names the attributes of every "
        "image as well as whether it is real, so that the generator has to draw what it was asked for."
    )
    chapter = 3

    def __init__(self, config: ACGANConfig, image_size: int) -> None:
        weight = config.classification_weight
        of_discriminator = {
            "classification_real": LossTerm(ATTRIBUTES, "D on real", weight),
            "classification_fake": LossTerm(ATTRIBUTES, "D on generated", weight),
        }
        of_generator = {"classification": LossTerm(ATTRIBUTES, "G", weight)}
        super().__init__(config, image_size, DISCRIMINATOR_TERMS | of_discriminator, GENERATOR_TERMS | of_generator)
        self.attributes = config.attributes
        self.generator = ConditionalGenerator(config, image_size, len(config.attributes))
        heads = 1 + len(config.attributes)
        self.discriminator = Encoder(image_size, config.width, config.depth, heads, config.normalization)
        self.classification_weight = config.classification_weight
        self.classify_generated = config.classify_generated

    def judge(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logit of being real, and of each attribute.  [N,3,S,S] -> [N], [N,A]"""
        heads = self.discriminator(x)
        return heads[:, 0], heads[:, 1:]

    def discriminator_loss(self, batch: Batch) -> Terms:
        """Cross-entropy of the discriminator: real or generated, and the attributes."""
        real_logit, real_attributes = self.judge(self.real(batch))
        fake_logit, fake_attributes = self.judge(self.fake(batch))
        terms = {
            "adversarial_real": Term(losses.judged_real(real_logit).mean()),
            "adversarial_fake": Term(losses.judged_fake(fake_logit).mean()),
            "classification_real": self.attribute_loss(real_attributes, batch.y),
        }
        if self.classify_generated:
            terms["classification_fake"] = self.attribute_loss(fake_attributes, batch.y)
        return terms

    def generator_loss(self, batch: Batch) -> Terms:
        """Cross-entropy on generated images against the answer 'real' and against the attributes given."""
        logit, attributes = self.judge(self.fake(batch))
        return {
            "adversarial": Term(losses.judged_real(logit).mean()),
            "classification": self.attribute_loss(attributes, batch.y),
        }

    def attribute_loss(self, logits: Tensor, y: Tensor) -> Term:
        """Cross-entropy of the auxiliary head.  [N,A] x 2"""
        return Term(losses.attribute_cross_entropy(logits, y).mean(), self.classification_weight)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images from latents and attributes.  [N,Z], [N,A] -> [N,3,S,S] in [-1, 1]"""
        if y is None:
            raise ValueError("an AC-GAN needs attributes: give y of shape [N, A]")
        image: Tensor = self.generator(z, y)
        return image

    def classify(self, x: Tensor) -> Tensor:
        """Logit of each attribute.  [N,3,S,S] -> [N,A]"""
        return self.judge(x)[1]


class InvertibleACGAN(Inverts, ACGAN):
    """An AC-GAN with an encoder."""

    title = ACGAN.title
    about = told_of_encoder(ACGAN)
