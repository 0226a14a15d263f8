"""The judge's network, and its losses."""

import torch
from pydantic import Field
from torch import Tensor, nn

from mien.faces import UNKNOWN
from mien.faces.batches import Batch
from mien.models.base import Model, Phase, Term, Terms
from mien.models.convnets import Encoder
from mien.models.options import ModelConfig, Normalization

SMALLEST_MAP = 4  # side in pixels, below which a map is not halved any more
LARGEST_SHIFT = 2  # pixels that a training image is moved by, at most, in each direction
TURNS = 4  # quarter turns, of which the judge tells one where faces have no attributes


class JudgeConfig(ModelConfig):
    """The judge's own recipe; it is the same for all faces, so that their numbers are measured alike."""

    name: str = "judge"
    latent_dim: int = Field(128, description="features of an image")
    width: int = 32
    normalization: Normalization = "batch"
    epochs: float = Field(12, gt=0, description="passes over the training split, within the limits below")
    fewest_images: int = Field(9_600, description="to be trained on, however small the split is")
    most_images: int = Field(128_000, description="to be trained on, however large the split is")
    batch_size: int = 64
    learning_rate: float = 2e-3


class JudgeNetwork(Model):
    """Attributes of an image, by way of its features.

    Images are mirrored and shifted at random while it learns. Faces with an attribute weigh as much in the
    loss as faces without it, however rare they are. Without attributes the judge learns how far an image was turned,
    which takes no labels. Source of that: Gidaris et al. 2018 (arXiv:1803.07728).

    balance: the weights of a training image with each attribute, and without it.  [A] x 2
    """

    Config = JudgeConfig
    balance: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, config: JudgeConfig, image_size: int, tells: tuple[str, ...]) -> None:
        super().__init__(config, image_size)
        self.tells = tells
        depth = (image_size // SMALLEST_MAP).bit_length() - 1
        self.body = Encoder(image_size, config.width, depth, config.latent_dim, config.normalization)
        self.head = nn.Linear(config.latent_dim, len(tells) or TURNS)
        self.register_buffer("balance", torch.ones(2, len(tells)))
        self.register_buffer("mean", torch.zeros(config.latent_dim))
        self.register_buffer("scale", torch.ones(()))
        self.phases = (Phase("judge", moves=("body", "head"), loss=self.loss),)

    def activations(self, x: Tensor) -> Tensor:
        """The inputs of the head.  [N,3,S,S] -> [N,F]"""
        return nn.functional.leaky_relu(self.body(x), 0.2)

    def features_and_logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features of images, and the logit of each attribute (of each turn, without attributes).

        Features are activations, centred and scaled by one number so that their variance over training images is 1 on
        average.  [N,3,S,S] -> [N,F], [N,A]
        """
        activations = self.activations(x)
        return (activations - self.mean) / self.scale, self.head(activations).float()

    def forward(self, x: Tensor) -> Tensor:
        """Logit of each attribute (of each turn, without attributes).  [N,3,S,S] -> [N,A]"""
        return self.features_and_logits(x)[1]

    def loss(self, batch: Batch) -> Terms:
        """Cross-entropy of the attributes, or of the turns."""
        if not self.tells:
            turns = batch.drawn(lambda count: torch.randint(TURNS, (count,), device=batch.x.device))
            turned = torch.stack([torch.rot90(x, int(turn), (1, 2)) for x, turn in zip(batch.x, turns, strict=True)])
            return {"turns": Term(nn.functional.cross_entropy(self(turned), turns))}
        known = batch.y != UNKNOWN
        weight = torch.where(batch.y == 1, self.balance[0], self.balance[1]) * known
        loss = nn.functional.binary_cross_entropy_with_logits(self(shifted(batch.x)), batch.y.clamp(min=0), weight)
        return {"attributes": Term(loss)}


def shifted(x: Tensor) -> Tensor:
    """Images moved by a few pixels, all alike; border pixels are repeated.  [N,3,S,S] -> [N,3,S,S]"""
    size = x.shape[-1]
    top, left = torch.randint(2 * LARGEST_SHIFT + 1, (2,)).tolist()
    padded = nn.functional.pad(x, (LARGEST_SHIFT,) * 4, mode="replicate")
    return padded[:, :, top : top + size, left : left + size]
