"""The coursework's networks in plain PyTorch, as one would write them: mien's layers, in the default layout."""

from torch import Tensor, nn
from worker import DEPTH, LATENT_DIM


def encoder(size: int, width: int, outputs: int) -> nn.Sequential:
    """Stride-2 convolutions, then one linear layer.  [N,3,S,S] -> [N,outputs]"""
    channels = [3, *(width * 2**level for level in range(DEPTH))]
    layers: list[nn.Module] = []
    for level in range(DEPTH):
        layers += [nn.Conv2d(channels[level], channels[level + 1], 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * (size >> DEPTH) ** 2, outputs))


def decoder(size: int, width: int, inputs: int = LATENT_DIM) -> nn.Sequential:
    """One linear layer, then stride-2 transposed convolutions.  [N,inputs] -> [N,3,S,S]"""
    side = size >> DEPTH
    channels = [*(width * 2**level for level in reversed(range(DEPTH))), 3]
    stem = nn.Linear(inputs, channels[0] * side * side)
    layers: list[nn.Module] = [stem, nn.Unflatten(1, (channels[0], side, side)), nn.ReLU()]
    for level in range(DEPTH):
        layers.append(nn.ConvTranspose2d(channels[level], channels[level + 1], 4, stride=2, padding=1))
        layers.append(nn.Tanh() if level == DEPTH - 1 else nn.ReLU())
    return nn.Sequential(*layers)


def to_signed(images: Tensor) -> Tensor:
    """Stored pixels as networks take them.  uint8 [N,S,S,3] -> float32 [N,3,S,S] in [-1, 1]"""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1
