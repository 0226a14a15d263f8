"""What a model is: networks, phases that train them, and the abilities that everything else asks for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from torch import Tensor, nn

from mien.faces.batches import Batch
from mien.models.options import ModelConfig

Terms = dict[str, Tensor]  # name -> weighted mean over the batch, []; their sum is minimised


@dataclass(frozen=True)
class Phase:
    """One optimizer update within a step: which networks move, and what they minimise.

    Phases that move the same networks share an optimizer.
    """

    name: str
    moves: tuple[str, ...]  # attribute names of networks; every other network is frozen
    loss: Callable[[Batch], Terms]
    repeat: int = 1  # updates a step, each on a fresh batch
    every: int = 1  # only in one of so many steps


class Model(nn.Module):
    """Base of all models: it can draw latents and turn them into images.

    attributes: names of the attributes it is conditioned on, in the order of y's columns; empty where it is not.
    """

    Config: ClassVar[type[ModelConfig]]
    phases: tuple[Phase, ...]
    attributes: tuple[str, ...] = ()

    def __init__(self, config: ModelConfig, image_size: int) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.image_size = image_size

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images from latents, and attributes where the model is conditional.  [N,Z], [N,A] -> [N,3,S,S] in [-1, 1]"""
        raise NotImplementedError


@runtime_checkable
class Encodes(Protocol):
    """Can turn an image into a latent."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z given x).  [N,3,S,S] -> [N,Z] x 2"""
        ...

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images from latents.  [N,Z] -> [N,3,S,S]"""
        ...


@runtime_checkable
class Classifies(Protocol):
    """Can tell the attributes it is conditioned on from an image."""

    attributes: tuple[str, ...]

    def classify(self, x: Tensor) -> Tensor:
        """Logit of each attribute.  [N,3,S,S] -> [N,A]"""
        ...


@runtime_checkable
class Discriminates(Protocol):
    """Can tell real images from generated ones."""

    def realness(self, x: Tensor) -> Tensor:
        """Logit of an image being real.  [N,3,S,S] -> [N]"""
        ...


@runtime_checkable
class HasVariance(Protocol):
    """Takes its images for the means of a Gaussian, with one variance for all pixels."""

    def decoder_variance(self) -> float:
        """The variance in training, pixels in [-1, 1]; 0 where training had none."""
        ...
