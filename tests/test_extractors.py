"""Extractors: the packaged network where it is installed, Inception from a file, and what is said without them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
from mien.errors import RecipeError
from mien.metrics import extractors
from mien.metrics.extractors import (
    PACKAGED,
    FaceFeatures,
    available_extractors,
    missing_extractors,
    packaged_file,
)
from mien.metrics.inception import InceptionFeatures

IMAGES = tiny.noise_faces(5).images
ABSENT = [kind for kind in PACKAGED if packaged_file(kind) is None]


class Detector(nn.Module):
    """What a file of the FID's network does: from stored pictures to features."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features

    def forward(self, x: Tensor) -> Tensor:
        return x.float().flatten(1)[:, : self.features]


def save(path: Path, features: int) -> Path:
    """As docs/measuring.md says."""
    pictures = torch.from_numpy(np.ascontiguousarray(IMAGES[:2].transpose(0, 3, 1, 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = ({0: "N", 2: "height", 3: "width"},)
        torch.onnx.export(
            Detector(features).eval(), (pictures,), path, dynamic_shapes=shapes, dynamo=True, verbose=False
        )
    return path


# Inception, from a file


def test_a_file_of_the_network_gives_its_features(tmp_path: Path) -> None:
    inception = InceptionFeatures(save(tmp_path / "inception.onnx", 2048))
    expected = IMAGES.transpose(0, 3, 1, 2).reshape(5, -1)[:, :2048]
    np.testing.assert_array_equal(inception(IMAGES), expected)
    assert inception.name == "inception"
    assert "sha256:" in inception.protocol


def test_a_missing_file_is_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no such file.*an ONNX file"):
        InceptionFeatures(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no network", b"words"])
def test_a_file_that_is_no_network_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "wrong.onnx").write_bytes(content)
    with pytest.raises(RecipeError, match="not the network that is expected"):
        InceptionFeatures(tmp_path / "wrong.onnx")


def test_a_network_with_other_features_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"\[\[2, 100\]\] of two pictures, not \[2, 2048\]"):
        InceptionFeatures(save(tmp_path / "small.onnx", 100))


# The packaged network


def test_what_is_not_installed_is_said_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extractors.importlib.util, "find_spec", lambda name: None)
    lines = missing_extractors()
    assert [kind.package in line and "mien[features]" in line for kind, line in zip(PACKAGED, lines, strict=True)]
    judge: Any = object()
    assert [extractor.name for extractor in available_extractors(judge)] == ["judge"]


def test_a_package_with_other_weights_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FaceFeatures.module / "models").mkdir(parents=True)
    (tmp_path / FaceFeatures.module / "__init__.py").touch()
    (tmp_path / FaceFeatures.module / FaceFeatures.file).write_bytes(b"others")
    monkeypatch.syspath_prepend(tmp_path)
    assert packaged_file(FaceFeatures) is None


@pytest.mark.skipif(bool(ABSENT), reason="the extra `features` is not installed")
@pytest.mark.parametrize(("kind", "count"), [(FaceFeatures, 256)])
def test_a_packaged_network_sees_each_picture_by_itself(kind: Any, count: int) -> None:
    extractor = kind(packaged_file(kind))
    images = tiny.noise_faces(40).images
    found = extractor(images)
    assert found.shape == (40, count)
    assert found.dtype == np.float32
    np.testing.assert_allclose(extractor(images[35:]), found[35:], atol=1e-4)
    assert np.ptp(found, axis=0).max() > 0.1


@pytest.mark.skipif(bool(ABSENT), reason="the extra `features` is not installed")
def test_the_face_features_are_what_the_network_tells_the_age_from() -> None:
    from onnxruntime import InferenceSession

    path = packaged_file(FaceFeatures)
    images = tiny.noise_faces(3, size=64).images
    prepared = (images.astype(np.float32).transpose(0, 3, 1, 2) - FaceFeatures.mean) / 256
    ages = InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"images": prepared})[0]
    both = FaceFeatures(path).session.run(["probabilities", FaceFeatures.layer], {"images": prepared})
    np.testing.assert_allclose(both[0], ages, atol=1e-6)
    np.testing.assert_allclose(both[1], FaceFeatures(path)(images), atol=1e-4)
