"""Whatever layers a model has: what is exported of it is opened again and gives the same images."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.errors import RecipeError
from mien.export.onnx_bounds import Network, read_description
from mien.export.onnx_export import encoder_graph, generator_graph, run_with
from mien.export.quantize import keep_means_only, store_small
from mien.models.base import Encodes, ModelConfig

SIZE, LATENTS, SIDE, CHANNELS = 32, 6, 8, 8


def conv(inputs: int, outputs: int, side: int = 3, **options: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, padding=side // 2, **options)


class Tokens(nn.Module):
    """A layer on a sequence of an image's places."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        found = self.layer(tokens)
        found = found[0] if isinstance(found, tuple) else found
        return found.transpose(1, 2).unflatten(2, (SIDE, SIDE))


class Attention(nn.Module):
    """Every place looks at every other, by matrices and a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.all = conv(CHANNELS, 3 * CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.all(x).flatten(2).chunk(3, 1)
        return x + (value @ (query.transpose(1, 2) @ key).softmax(1)).unflatten(2, (SIDE, SIDE))


class Applied(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "nearest": lambda: nn.Upsample(scale_factor=2),
    "bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    "bicubic": lambda: nn.Upsample(scale_factor=2, mode="bicubic"),
    "pixel shuffle": lambda: nn.Sequential(conv(CHANNELS, 4 * CHANNELS), nn.PixelShuffle(2)),
    "group norm, SiLU": lambda: nn.Sequential(nn.GroupNorm(2, CHANNELS), nn.SiLU()),
    "layer norm, GELU": lambda: nn.Sequential(nn.LayerNorm([CHANNELS, SIDE, SIDE]), nn.GELU()),
    "RMS norm": lambda: nn.RMSNorm([SIDE, SIDE]),
    "instance norm, Mish": lambda: nn.Sequential(nn.InstanceNorm2d(CHANNELS, affine=True), nn.Mish()),
    "residual": lambda: Applied(lambda x: x + F.silu(x) * torch.sigmoid(x)),
    "depthwise, dilated": lambda: nn.Sequential(
        conv(CHANNELS, CHANNELS, groups=CHANNELS), nn.Conv2d(CHANNELS, CHANNELS, 3, padding=2, dilation=2)
    ),
    "transposed 3x3": lambda: nn.ConvTranspose2d(CHANNELS, CHANNELS, 3, 2, 1, 1),
    "reflected borders": lambda: nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(CHANNELS, CHANNELS, 3)),
    "attention": Attention,
    "attention of heads": lambda: Tokens(nn.TransformerEncoderLayer(CHANNELS, 2, 16, batch_first=True, dropout=0.0)),
    "LSTM": lambda: Tokens(nn.LSTM(CHANNELS, CHANNELS, batch_first=True)),
    "einsum": lambda: Applied(lambda x: torch.einsum("bchw,bdhw->bcd", x, x)[..., None] * x[:, :, :1]),
    "the same weights 30 times": lambda: nn.Sequential(*[conv(CHANNELS, CHANNELS)] * 30),
    "frequencies": lambda: Applied(lambda x: torch.fft.irfft2(torch.fft.rfft2(x))),
}


class Layered(Encodes):
    """A linear layer, one to be tried, and a convolution; attributes are looked up in a table, and told the encoder."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__(ModelConfig(name="layered", latent_dim=LATENTS), SIZE)
        self.attributes = ("Male", "Smiling")
        self.start, self.layer, self.last = nn.Linear(LATENTS, CHANNELS * SIDE**2), layer, conv(CHANNELS, 3)
        self.table = nn.Embedding(4, LATENTS)
        self.codes = nn.Sequential(conv(3, 4, stride=2), nn.GroupNorm(2, 4), nn.SiLU(), nn.AdaptiveAvgPool2d(2))
        self.head = nn.Linear(18, 2 * LATENTS)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        assert y is not None
        told = self.table((2 * y.round()[:, 0] + y.round()[:, 1]).long())
        x = self.layer(self.start(z + told).view(-1, CHANNELS, SIDE, SIDE))
        return F.interpolate(self.last(x), size=(SIZE, SIZE)).tanh()

    def encode(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        assert y is not None
        mu, logvar = self.head(torch.cat([self.codes(x).flatten(1), y], 1)).chunk(2, 1)
        return mu, logvar


def layered(name: str) -> Layered:
    torch.manual_seed(0)
    return Layered(LAYERS[name]()).eval()


@pytest.mark.parametrize("name", LAYERS)
def test_a_generator_of_any_layers_is_opened_and_gives_the_same_images(name: str) -> None:
    model, draws = layered(name), torch.Generator().manual_seed(0)
    graph = generator_graph(model)
    description = read_description(memoryview(graph.SerializeToString()))
    Network(description, {"z": (LATENTS,), "y": (2,)}, {"x": (3, SIZE, SIZE)}).require_affordable(64)
    given = {"z": torch.randn(3, LATENTS, generator=draws), "y": torch.rand(3, 2, generator=draws)}
    with torch.no_grad():
        expected = model.generate(**given).numpy()
    assert np.abs(run_with(graph)(given)[0] - expected).max() < 1e-4
    store_small(graph, 8)
    assert np.abs(run_with(graph)(given)[0] - expected).mean() < 0.01


def test_an_encoder_that_is_told_attributes_is_opened_and_gives_the_same_latents() -> None:
    model, draws = layered("nearest"), torch.Generator().manual_seed(0)
    graph = encoder_graph(model)
    description = read_description(memoryview(graph.SerializeToString()))
    network = Network(description, {"x": (3, SIZE, SIZE), "y": (2,)}, {"mu": (LATENTS,), "logvar": (LATENTS,)})
    network.require_affordable(64)
    given = {"x": torch.rand(3, 3, SIZE, SIZE, generator=draws), "y": torch.rand(3, 2, generator=draws)}
    with torch.no_grad():
        for found, expected in zip(run_with(graph)(given), model.encode(**given), strict=True):
            assert np.abs(found - expected.numpy()).max() < 1e-4
        keep_means_only(graph)
        assert np.abs(run_with(graph)(given)[0] - model.encode(**given)[0].numpy()).max() < 1e-4


def test_a_layer_that_pytorch_cannot_write_is_told_at_the_export() -> None:
    model = layered("nearest")
    model.layer = Applied(torch.linalg.matrix_exp)
    with pytest.raises(RecipeError, match="PyTorch cannot write the model as ONNX: "):
        generator_graph(model)
