"""The static bundle: complete, small, and with networks that still give the run's faces."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import mien
from mien.cli import main
from mien.errors import RunError
from mien.export import web
from mien.export.onnx import encoder_graph, generator_graph
from mien.export.small import keep_means_only, store_small
from mien.export.web import Part, export_web
from mien.exported import open_session, to_signed
from mien.runs import Run
from test_export import fresh


@pytest.fixture(scope="module")
def bundle(trained_runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Part]]:
    """The bundle of a VAE's run and its parts, to look at and not to change."""
    folder = tmp_path_factory.mktemp("bundle") / "site"
    return folder, export_web(trained_runs["vae"].path, folder)


def unpacked(path: Path) -> Any:
    return open_session(gzip.decompress(path.read_bytes()))


def test_a_bundle_holds_the_page_its_runtime_the_networks_and_a_card(bundle: tuple[Path, list[Part]]) -> None:
    folder, _ = bundle
    exhibit = json.loads((folder / "exhibit.json").read_text())
    (run,) = exhibit["runs"]
    named = [*run["onnx"].values(), *(moment["file"] for moment in run["film"]), "runs/vae/map/latents.f16"]
    runtime = [f"vendor/onnxruntime-web/{name}" for name in ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.wasm.gz")]
    assert exhibit["engine"] == "web"
    assert all((folder / address).is_file() for address in [*named, *runtime, "index.html"])
    assert "Identifying people" in (folder / "MODEL_CARD.md").read_text()


def test_the_sizes_of_the_parts_come_to_the_size_on_disk(bundle: tuple[Path, list[Part]]) -> None:
    folder, parts = bundle
    assert sum(part.size for part in parts) == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert [part.size for part in parts] == sorted((part.size for part in parts), reverse=True)
    assert {"runs/vae/generator.onnx", "runs/vae/encoder.onnx", "vendor/onnxruntime-web", "page"} <= {
        part.name for part in parts
    }


def test_the_networks_of_a_bundle_give_the_faces_of_the_run(
    bundle: tuple[Path, list[Part]], trained_runs: dict[str, Run], faces: Any
) -> None:
    generator, encoder = (unpacked(bundle[0] / f"runs/vae/{part}.onnx") for part in ("generator", "encoder"))
    run, images = mien.open_run(trained_runs["vae"].path), faces.images[:5]
    (mu,) = encoder.run(None, {"x": to_signed(images)})
    (x,) = generator.run(["x"], {"z": mu})
    assert mu == pytest.approx(run.encode(images)[0], abs=0.01)
    assert np.abs(x - to_signed(run.reconstruct(images))).max() * 127.5 < 2


def test_an_encoder_without_log_variances_loses_half_of_its_last_layer_and_no_mean(tmp_path: Path) -> None:
    model = mien.open_run(fresh(tmp_path, "vae")).model
    whole, half = encoder_graph(model), encoder_graph(model)
    keep_means_only(half)
    x = {"x": np.random.default_rng(0).uniform(-1, 1, (3, 3, 32, 32)).astype(np.float32)}
    (mu,) = open_session(half.SerializeToString()).run(None, x)
    assert mu == pytest.approx(open_session(whole.SerializeToString()).run(["mu"], x)[0], abs=1e-6)
    assert whole.ByteSize() - half.ByteSize() > model.latent_dim * model.encoder.head.in_features * 4


@pytest.mark.parametrize(("bits", "most", "off"), [(16, 0.51, 0.02), (8, 0.31, 0.5), (6, 0.31, 2.0)])
def test_fewer_bits_make_a_smaller_file_that_is_a_little_further_off(
    bits: int, most: float, off: float, tmp_path: Path
) -> None:
    model = mien.open_run(fresh(tmp_path, "gan", "model.latent_dim=512", "model.width=16")).model
    graph, z = generator_graph(model), torch.randn(8, 512, generator=torch.Generator().manual_seed(0))
    before = graph.ByteSize()
    store_small(graph, bits)
    onnx.checker.check_model(graph)
    (x,) = open_session(graph.SerializeToString()).run(None, {"z": z.numpy()})
    with torch.no_grad():
        assert 0 < np.abs(x - model.generate(z).numpy()).max() * 127.5 < off
    assert graph.ByteSize() < most * before


def test_weights_are_stored_in_no_fewer_bits_than_the_bundle_needs(
    bundle: tuple[Path, list[Part]], trained_runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all("in 16 bits" in part.words for part in bundle[1] if part.name.endswith(".onnx"))
    monkeypatch.setattr(web, "MOST_BYTES", 1000)
    parts = export_web(trained_runs["gan"].path, tmp_path / "site")
    assert ["in 8 bits" in part.words for part in parts if part.name.endswith(".onnx")] == [True]


def test_networks_that_are_too_far_from_pytorch_are_not_written(
    trained_runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "MOST_MEAN", 0.0)
    with pytest.raises(RunError, match=r"the generator of gan, stored small, is .* nothing was written"):
        export_web(trained_runs["gan"].path, tmp_path / "site")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_earlier_bundle_is_left_alone(trained_runs: dict[str, Run], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all my work")
    with pytest.raises(RunError, match="is no earlier bundle"):
        export_web(trained_runs["gan"].path, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_bundle_takes_the_place_of_an_earlier_one_and_of_nothing_else(
    trained_runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    for name in ("acgan", "gan"):
        assert main(["export", str(trained_runs[name].path), "--to", "web", str(site)]) == 0
        (site / "CNAME").write_text("faces.example.org")
    assert "MB in all    next: python -m http.server --directory" in capsys.readouterr().out
    assert [path.name for path in (site / "runs").iterdir()] == ["gan"]
    assert (site / "CNAME").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
