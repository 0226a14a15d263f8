"""The networks that models are made of: an encoder (image in) and a decoder (image out).

Both return float32 whatever the precision they compute in, so that losses are never summed in bfloat16.
"""

import torch
from torch import Tensor, nn

from mien.errors import RecipeError
from mien.models.options import Normalization


def normalization_layer(kind: Normalization, channels: int) -> list[nn.Module]:
    """The layers (one or none) that normalize a map of so many channels."""
    if kind == "batch":
        return [nn.BatchNorm2d(channels)]
    if kind == "group":
        return [nn.GroupNorm(min(8, channels), channels)]
    return []


def bottom_side(image_size: int, depth: int) -> int:
    """Side of the map after `depth` stride-2 layers, in pixels.

    Raises: RecipeError where the image cannot be halved so often.
    """
    side, rest = divmod(image_size, 1 << depth)
    if rest or side < 2:
        deepest = max(d for d in range(1, 8) if image_size % 2**d == 0 and image_size >= 2 ** (d + 1))
        raise RecipeError(
            f"model.depth is {depth}, but an image of {image_size} x {image_size} pixels cannot be halved {depth} "
            f"times and keep 2 x 2. Use a depth of 1 to {deepest}, or a larger data.size."
        )
    return side


class Encoder(nn.Module):
    """Stride-2 convolutions of doubling width, then one linear layer.  [N,3,S,S] -> [N,out_features]"""

    def __init__(
        self, image_size: int, width: int, depth: int, out_features: int, normalization: Normalization = "none"
    ) -> None:
        super().__init__()
        side = bottom_side(image_size, depth)
        channels = [3, *(width * 2**level for level in range(depth))]
        layers: list[nn.Module] = []
        for level in range(depth):
            layers.append(nn.Conv2d(channels[level], channels[level + 1], kernel_size=4, stride=2, padding=1))
            if level > 0:  # as in DCGAN, the first layer sees raw pixels
                layers += normalization_layer(normalization, channels[level + 1])
            layers.append(nn.LeakyReLU(0.2))
        self.convolutions = nn.Sequential(*layers)
        self.head = nn.Linear(channels[-1] * side * side, out_features)

    def forward(self, x: Tensor) -> Tensor:
        """Features of images in [-1, 1].  [N,3,S,S] -> [N,out_features] float32"""
        features: Tensor = self.head(self.convolutions(x).flatten(1))
        return features.float()


class Decoder(nn.Module):
    """One linear layer, then stride-2 transposed convolutions of halving width.  [N,in_features] -> [N,3,S,S]"""

    def __init__(
        self, image_size: int, width: int, depth: int, in_features: int, normalization: Normalization = "none"
    ) -> None:
        super().__init__()
        self.side = bottom_side(image_size, depth)
        channels = [*(width * 2**level for level in reversed(range(depth))), 3]
        self.stem = nn.Linear(in_features, channels[0] * self.side * self.side)
        layers: list[nn.Module] = [*normalization_layer(normalization, channels[0]), nn.ReLU()]
        for level in range(depth):
            layers.append(nn.ConvTranspose2d(channels[level], channels[level + 1], kernel_size=4, stride=2, padding=1))
            if level < depth - 1:
                layers += [*normalization_layer(normalization, channels[level + 1]), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers, nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        """Images in [-1, 1] from latents.  [N,in_features] -> [N,3,S,S] float32"""
        low = self.stem(z).view(z.shape[0], -1, self.side, self.side)
        # Convolutions are faster on this layout, and it is cheapest to change it where the map is smallest.
        image: Tensor = self.convolutions(low.contiguous(memory_format=torch.channels_last))
        return image.float()
