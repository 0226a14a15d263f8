"""The variational autoencoder."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, field_validator
from torch import Tensor

from mien.faces.batches import Batch
from mien.models import losses
from mien.models.base import Encodes, LossTerm, Phase, Term, Terms
from mien.models.convnets import Decoder, Encoder
from mien.models.latent_flow import VELOCITY, LatentFlow
from mien.models.options import ModelConfig
from mien.models.terms import KL_DIVERGENCE, SQUARED_ERROR

PRIOR_LEARNING_RATE = 3.0  # factor on the recipe's
PRIOR_START = 0.3  # share of the training from which on the learned prior takes part; before, latents move too fast
MEMORY = 0.99  # decay of the variance's running mean, a batch: it averages about a hundred


class VAEConfig(ModelConfig):
    """Options of the VAE."""

    name: Literal["vae"] = "vae"
    kl_weight: float | Literal["auto"] = Field(
        1e-4, description="of the KL (summed over latents) against the mean squared error; auto: solved for"
    )

    prior: Literal["normal", "flow"] = Field(
        "normal", description="how latents of new faces are drawn: from N(0, I), or by a network that learns to"
    )

    @field_validator("kl_weight", mode="wrap")
    @classmethod
    def _number_or_auto(cls, given: object, check: ValidatorFunctionWrapHandler) -> float | str:
        try:
            weight: float | str = check(given)
        except ValidationError:
            weight = -1
        if weight != "auto" and not (isinstance(weight, float) and 0 <= weight < float("inf")):
            raise ValueError(f"model.kl_weight is {given!r}. Give a number of 0 or more, such as 1e-4, or 'auto'.")
        return weight


class VAE(Encodes):
    """Variational autoencoder with a Gaussian decoder.

    Minimises mean squared error over pixels in [-1, 1] + kl_weight * KL summed over latents. With kl_weight = "auto"
    the weight is 2 * variance / D at every batch, where D = 3 * size**2 and the variance of the decoder's Gaussian is
    the one that makes the batch likeliest: its mean squared error.
    Source: Kingma & Welling 2014 (arXiv:1312.6114), equation 10; Rybkin et al. 2021 (arXiv:2006.13202), section 3.
    """

    variance: Tensor  # only with an automatic weight: running mean of the batches' variances; 0 before the first

    Config = VAEConfig
    title = "VAE"
    about = (
        "A variational autoencoder squeezes each face through a short vector of numbers and learns to give it back. "
        "Since those vectors are held close to a normal distribution, new faces come from decoding random ones."
    )
    chapter = 1

    def __init__(self, config: VAEConfig, image_size: int) -> None:
        super().__init__(config, image_size)
        body = (image_size, config.width, config.depth)
        self.encoder = Encoder(*body, 2 * config.latent_dim, config.normalization)
        self.decoder = Decoder(*body, config.latent_dim, config.normalization)
        self.kl_weight = config.kl_weight
        if self.kl_weight == "auto":
            self.register_buffer("variance", torch.zeros(()))
        terms = {
            "reconstruction": LossTerm(SQUARED_ERROR, "training, sampled latent"),
            "kl": LossTerm(KL_DIVERGENCE, "training", self._kl_weight_of_line),
        }
        self.phases = (Phase("vae", moves=("encoder", "decoder"), loss=self.loss, title="VAE", terms=terms),)
        if config.prior == "flow":
            self.prior = LatentFlow(config.latent_dim)
            of_prior = {"velocity": LossTerm(VELOCITY, "training latents")}
            prior = Phase(
                "prior",
                ("prior",),
                self.prior_loss,
                start=PRIOR_START,
                learning_rate=PRIOR_LEARNING_RATE,
                title="prior",
                terms=of_prior,
            )
            self.phases = (*self.phases, prior)

    def loss(self, batch: Batch) -> Terms:
        """The negative evidence lower bound, scaled so that the squared error is a mean over pixels."""
        mu, logvar = self.encode(batch.x)
        z = mu + (0.5 * logvar).exp() * batch.noise(self.latent_dim)
        reconstruction = losses.squared_error(self.decoder(z), batch.x).mean()
        kl = losses.kl_to_standard_normal(mu, logvar).mean()
        weight = self.kl_weight if self.kl_weight != "auto" else self._solved_kl_weight(reconstruction.detach())
        return {"reconstruction": Term(reconstruction), "kl": Term(kl, weight)}

    def prior_loss(self, batch: Batch) -> Terms:
        """The squared error of the learned prior's velocity; the latents are draws from q(z given x)."""
        assert isinstance(self.prior, LatentFlow)
        with torch.no_grad():
            mu, logvar = self.encode(batch.x)
            z = mu + (0.5 * logvar).exp() * batch.noise(self.latent_dim)
        return {"velocity": Term(self.prior.loss(z, batch).mean())}

    def _solved_kl_weight(self, variance: Tensor) -> Tensor:
        """The weight at the variance that is optimal for this batch; the running mean is updated.  [] -> []

        In nats the negative bound is D/2 * (log variance + MSE / variance) + KL. It is least at variance = MSE, so its
        slope there by the variance is 0, and the networks' gradient is that with the variance held still:
        D / (2 * variance) times the gradient of MSE + 2 * variance / D * KL. Adam and RMSprop are invariant to the
        factor; without it nothing is divided by an error that may come near 0, and the logged terms keep their units.

        The batch's own variance and no running mean of it: of D values an image it is known well enough from one
        batch, and a mean that trails behind the falling error would weigh the KL too much early on, when latents are
        most easily switched off.
        """
        if self.training:
            self.variance.copy_(torch.where(self.variance == 0, variance, self.variance.lerp(variance, 1 - MEMORY)))
        return 2 * variance / (3 * self.image_size**2)

    def _kl_weight_of_line(self, line: Mapping[str, Any]) -> float:
        """The weight on the KL in a line of an older log; a solved one follows from the squared error beside it."""
        if self.kl_weight == "auto":
            return equivalent_kl_weight(float(line.get("vae/reconstruction", math.nan)), self.image_size)
        return self.kl_weight

    def decoder_variance(self) -> float:
        """The variance of the decoder's Gaussian at which the objective is the evidence lower bound.

        With an automatic weight the mean of the last hundred or so batches; 0 before training, or with no KL at all.
        """
        if self.kl_weight == "auto":
            return float(self.variance)
        return equivalent_beta(self.kl_weight, self.image_size)

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z given x).  [N,3,S,S] -> [N,Z] x 2"""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images from latents.  [N,Z] -> [N,3,S,S] in [-1, 1]"""
        image: Tensor = self.decoder(z)
        return image

    def describe(self) -> list[str]:
        """The objective in nats an image, the equivalent beta or where an automatic weight landed, and the prior."""
        learned = (
            "New faces are not decoded from N(0, I): a small network, the prior, has learnt by flow matching to carry "
            "noise from there to where the latents of training faces lie (Lipman et al. 2023). It moves nothing else."
        )
        return [*self._objective(), learned] if self.prior is not None else self._objective()

    def _objective(self) -> list[str]:
        dimensions = 3 * self.image_size**2
        units = (
            f"the squared error is a mean over the D = 3 × {self.image_size}² = {dimensions:,} pixel values in "
            "[-1, 1], the KL a sum over the latents, in nats."
        )
        if self.kl_weight == "auto":
            return [f"Training minimises MSE + kl_weight × KL: {units}", self._automatic_weight()]
        constant = dimensions / 2 * math.log(2 * math.pi)
        return [
            f"Training minimises MSE + kl_weight × KL with kl_weight = {self.kl_weight:g}: {units}",
            "In nats an image, with a decoder of unit variance, \N{MINUS SIGN}log N(x; x̂, I) "
            f"= D/2 × MSE + D/2 × log 2π = {dimensions // 2:,} "
            f"× MSE + {constant:,.0f}. Multiplied by D/2, the objective is this plus β "
            f"× KL with β = {equivalent_beta(self.kl_weight, self.image_size):.3g} "
            "(β = kl_weight × D/2; β = 1 would be the evidence lower bound).",
        ]

    def _automatic_weight(self) -> str:
        words = (
            "The weight is automatic: at every batch it is 2σ²/D with σ² the batch's mean squared error, which is the "
            "variance of the decoder's Gaussian that makes the batch likeliest. So the objective is the evidence lower "
            "bound itself, and nothing is tuned (Rybkin et al. 2021)."
        )
        variance = float(self.variance)
        if not variance:
            return words
        weight = equivalent_kl_weight(variance, self.image_size)
        return f"{words} It landed at σ = {math.sqrt(variance):.3g}, which is kl_weight = {weight:.3g}."


def equivalent_beta(kl_weight: float, image_size: int) -> float:
    """The weight on the KL, in nats, beside -log N(x; x_hat, I) summed over all pixels and channels.

    kl_weight = 2 * beta / D with D = 3 * size**2. It is also the variance of the decoder's Gaussian at which
    the objective is the evidence lower bound with beta = 1. Source: Higgins et al. 2017; Rybkin et al. 2021
    (arXiv:2006.13202), section 3.
    """
    return kl_weight * 3 * image_size**2 / 2


def equivalent_kl_weight(variance: float, image_size: int) -> float:
    """The kl_weight with which the objective is the evidence lower bound at a variance of the decoder's Gaussian."""
    return 2 * variance / (3 * image_size**2)
