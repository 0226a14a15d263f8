"""EfficientNet-Lite0, up to its last block: the network of the packaged ImageNet weights."""

from collections.abc import Mapping

from torch import Tensor, nn

# Blocks, kernel, stride of the first, expansion, channels. Source: Tan & Le 2019 (arXiv:1905.11946), table 1; the Lite
# variants of its authors leave out squeeze-and-excitation and use ReLU6.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM = 32  # channels
EPSILON = 1e-3  # of the batch-norms, as the weights were trained
FEATURES = STAGES[-1][-1]


class SamePadding(nn.Module):
    """Zeros around an image, one more at the right and below where they are odd, as TensorFlow pads."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """The padded maps.  [N,C,H,W] -> [N,C,H+h,W+w]"""
        missing = [max((-(-side // self.stride) - 1) * self.stride + self.kernel - side, 0) for side in x.shape[2:]]
        height, width = missing
        return nn.functional.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))


def convolution(channels: int, out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution with its padding and batch-norm."""
    return [
        SamePadding(kernel, stride),
        nn.Conv2d(channels, out, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(out, eps=EPSILON),
    ]


class Block(nn.Module):
    """An inverted residual: widen, filter each map by itself, narrow; added to what came in where the shapes agree."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        widen = [*convolution(channels, wide, 1), nn.ReLU6()] if expansion > 1 else []
        each = [*convolution(wide, wide, kernel, stride=stride, groups=wide), nn.ReLU6()]
        self.body = nn.Sequential(*widen, *each, *convolution(wide, out, 1))
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """[N,C,H,W] -> [N,D,h,w]"""
        narrow: Tensor = self.body(x)
        return narrow + x if self.residual else narrow


class EfficientNetLite0(nn.Module):
    """ImageNet features of images: the maps of the last block, averaged over places.  [N,3,S,S] -> [N,320]"""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*convolution(3, STEM, 3, stride=2), nn.ReLU6()]
        channels = STEM
        for blocks, kernel, stride, expansion, out in STAGES:
            for index in range(blocks):
                layers.append(Block(channels, out, kernel, stride if index == 0 else 1, expansion))
                channels = out
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Features of images in [-1, 1].  [N,3,S,S] -> [N,320]"""
        features: Tensor = self.layers(x).mean((2, 3))
        return features

    def fill(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of the packaged file, which lists the layers in the same order under other names.

        Raises: ValueError where there are fewer, or they have other shapes.
        """
        own = self.state_dict()
        given = list(weights.items())[: len(own)]
        if [value.shape for value in own.values()] != [value.shape for _, value in given]:
            raise ValueError("these are not the weights of EfficientNet-Lite0")
        self.load_state_dict({name: value for name, (_, value) in zip(own, given, strict=True)})
