"""The base classes of models: networks, phases that train them, and the abilities that other rooms ask for.

A loss draws random numbers only through its batch (`batch.noise`, `batch.uniform`, `batch.drawn`), and learns only from
`batch.progress` how far the training is. These are functions of the seed and of the images seen, so a training that was
killed goes on exactly, and a batch that is split in two has the gradient of the whole.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from mien.faces.batches import Batch
from mien.health.alarm import SNAPSHOT
from mien.models.options import ModelConfig
from mien.models.terms import LossTerm, Quantity, Term, Terms

__all__ = [
    "Batch",
    "Classifies",
    "Discriminates",
    "Encodes",
    "LossTerm",
    "Model",
    "ModelConfig",
    "Phase",
    "Quantity",
    "Term",
    "Terms",
]


@dataclass(frozen=True)
class Phase:
    """One optimizer update within a step: which networks move, and what they minimise.

    Phases that move the same networks share an optimizer.

    moves: attribute names of networks; every other network is frozen.    repeat: updates a step, each on a fresh batch.
    every: it takes part in one of so many steps.    start, end: shares of the training between which it takes part.
    learning_rate: its factor on the recipe's.    title: a short name for progress and curves.
    terms: how each term of its loss is shown; a term that is left out is shown under its own name.

    Raises: ValueError for a name that the log reserves, or for a span that is empty or outside the training.
    """

    name: str
    moves: tuple[str, ...]
    loss: Callable[[Batch], Terms]
    repeat: int = 1
    every: int = 1
    start: float = 0.0
    end: float = 1.0
    learning_rate: float = 1.0
    title: str = ""
    terms: Mapping[str, LossTerm] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name + "/" == SNAPSHOT:
            raise ValueError(f"a phase is called {self.name!r}, as a log calls its snapshots. Give it another name.")
        if not 0 <= self.start < self.end <= 1:
            raise ValueError(
                f"the phase {self.name!r} starts at {self.start:g} and ends at {self.end:g} of the training. Give a "
                "start below its end, both from 0 to 1."
            )

    def is_active(self, step: int, progress: float) -> bool:
        """Whether the phase takes part in a step.  progress: the share of the training that is done before it"""
        return step % self.every == 0 and self.start <= progress < self.end


class Model(nn.Module):
    """Base of all models: it can draw latents and turn them into images.

    title: its name as papers write it; by default the class's.    about: what it is, in a sentence or two; by default
    the first paragraph of the docstring.    chapter: its chapter in the 2018 report, whose names of figures are kept.
    attributes: names of the attributes it is conditioned on, in the order of y's columns; empty where it has none.
    prior: a network that carries standard normal noise to latents, [N,Z] -> [N,Z], for faces that are drawn at random;
    None where latents are standard normal themselves.
    """

    Config: ClassVar[type[ModelConfig]]
    title: ClassVar[str] = ""
    about: ClassVar[str] = ""
    chapter: ClassVar[int | None] = None
    phases: tuple[Phase, ...]
    attributes: tuple[str, ...] = ()
    prior: nn.Module | None

    def __init__(self, config: ModelConfig, image_size: int) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.image_size = image_size
        self.prior = None

    def __init_subclass__(cls) -> None:
        if "title" not in vars(cls):
            cls.title = cls.__name__
        if "about" not in vars(cls):
            cls.about = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images from latents, and attributes where the model is conditional.  [N,Z], [N,A] -> [N,3,S,S] in [-1, 1]"""
        raise NotImplementedError

    def describe(self) -> list[str]:
        """What its objective means, in sentences for the report; empty where there is nothing to add to the recipe."""
        return []


class Encodes(Model):
    """A model that can turn an image into a latent.

    y: the image's attributes, where the model is conditional; 0.5 for an attribute that is not known.
    """

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z given x), or of q(z given x, y).  [N,3,S,S], [N,A] -> [N,Z] x 2"""
        raise NotImplementedError

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Images through the encoder's mean and back.  [N,3,S,S], [N,A] -> [N,3,S,S] in [-1, 1]"""
        return self.generate(self.encode(x, y)[0], y)

    def decoder_variance(self) -> float:
        """The variance of the decoder's Gaussian in training, pixels in [-1, 1]; 0 where training had none."""
        return 0.0


class Classifies(Model):
    """A model that can tell the attributes it is conditioned on from an image."""

    def classify(self, x: Tensor) -> Tensor:
        """Logit of each attribute.  [N,3,S,S] -> [N,A]"""
        raise NotImplementedError


class Discriminates(Model):
    """A model that can tell real images from generated ones."""

    def realness(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logit of an image being real.  [N,3,S,S], [N,A] where the model is conditional -> [N]"""
        raise NotImplementedError
