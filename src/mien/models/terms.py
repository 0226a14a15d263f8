"""Terms of a loss: their values, their weights, and how their curves are shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

LN2 = 0.6931471805599453  # nats: the cross-entropy of a guess between two


@dataclass(frozen=True)
class Term:
    """One term of a loss on one batch.

    value: its mean over the batch, [].    weight: its factor in the sum that is minimised; a tensor where it is solved
    for at every batch.
    """

    value: Tensor
    weight: float | Tensor = 1.0

    @property
    def weighted(self) -> Tensor:
        """Weight times value, in float32 whatever precision the value was computed in.  []"""
        value = self.value.float()
        return value if isinstance(self.weight, float) and self.weight == 1 else self.weight * value


Terms = Mapping[str, Term]  # by name; the sum of weighted values is minimised


@dataclass(frozen=True)
class Quantity:
    """The quantity that a term measures. Terms of one quantity share a panel of the training curves across phases.

    title: of the panel, with its unit.    reference: a level that means something, and what it means.
    healthy: how its curve looks when all is well, in words; '' where nothing general can be said.
    """

    title: str
    reference: tuple[float, str] | None = None
    logarithmic: bool = False
    healthy: str = ""


@dataclass(frozen=True)
class LossTerm:
    """How a term is shown.  label: of its line within the panel.

    weight: the divisor for older logs, which hold products with weights; a function of the log's line where it is
    solved for at every batch. Logs of this version hold values, with their weights beside them.
    """

    quantity: Quantity
    label: str
    weight: float | Callable[[Mapping[str, Any]], float] = 1.0


SQUARED_ERROR = Quantity(
    "Reconstruction: mean squared error",
    logarithmic=True,
    healthy="The error falls steeply at first and then ever more slowly. The validation curve stays beside "
    "the training curve or a little below it, as it decodes the mean rather than a random draw; where it turns "
    "upwards while training goes on falling, the model is learning its training faces by heart.",
)
KL_DIVERGENCE = Quantity(
    "KL divergence, nats an image",
    healthy="The divergence rises as latents start to carry something, and settles. Near zero, the decoder ignores "
    "them (collapse) and all reconstructions look alike; rising without end, random latents will not decode to faces.",
)
ADVERSARIAL = Quantity(
    "Adversarial loss, nats",
    reference=(LN2, "ln 2: cannot tell apart"),
    healthy="Losses that swing and stay apart from zero: neither side wins. At ln 2 the discriminator cannot "
    "tell real from generated; its losses going to zero while the generator's grows without end mean that it has "
    "won and teaches nothing more. The height of these curves says little about how good the pictures are.",
)
ATTRIBUTES = Quantity(
    "Attribute loss, nats",
    reference=(LN2, "ln 2: a guess"),
    healthy="All fall below the dotted guess. The generator's and the discriminator's on generated images "
    "falls fastest, as a generator can make attributes plainer than life; the loss on real images is the one that "
    "says whether the head has learnt what an attribute looks like.",
)
R1_PENALTY = Quantity(
    "R1 penalty",
    logarithmic=True,
    healthy="Bounded: it holds the discriminator's slope on real images, and grows slowly as the generator "
    "improves. A sudden climb foretells trouble.",
)
