"""The static bundle: complete, small, and with networks that still give the run's faces."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import mien
import tiny
from mien.cli import main
from mien.errors import RunError
from mien.explorer import bundle as bundle_module
from mien.explorer.bundle import FILE_LIST, Part, export_web, file_list, write_bundle
from mien.export.onnx_export import encoder_graph, generator_graph
from mien.export.quantize import keep_means_only, store_small
from mien.export.runtime import open_session
from mien.faces import Faces
from mien.faces.pixel_range import signed
from mien.runs.folder import Run
from test_export import fresh
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING


@pytest.fixture(scope="module")
def bundle(trained_runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Part]]:
    """The bundle of a run that encodes and its parts, to look at and not to change."""
    folder = tmp_path_factory.mktemp("bundle") / "site"
    return folder, export_web(trained_runs[ENCODING].path, folder)


def unpacked(path: Path) -> Any:
    return open_session(gzip.decompress(path.read_bytes()))


def test_a_bundle_holds_the_page_its_runtime_the_networks_and_a_card(bundle: tuple[Path, list[Part]]) -> None:
    folder, _ = bundle
    manifest = json.loads((folder / "exhibit.json").read_text())
    (run,) = manifest["runs"]
    networks = filter(None, run["onnx"].values())
    named = [*networks, *(moment["file"] for moment in run["film"]), f"runs/{ENCODING}/map/latents.f16"]
    runtime = [f"vendor/onnxruntime-web/{name}" for name in ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.wasm.gz")]
    assert manifest["engine"] == "web"
    assert all((folder / address).is_file() for address in [*named, *runtime, "index.html"])
    assert "Identifying people" in (folder / "MODEL_CARD.md").read_text()


def test_the_sizes_of_the_parts_come_to_the_size_on_disk(bundle: tuple[Path, list[Part]]) -> None:
    folder, parts = bundle
    assert sum(part.size for part in parts) == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert [part.size for part in parts] == sorted((part.size for part in parts), reverse=True)
    assert {f"runs/{ENCODING}/generator.onnx", f"runs/{ENCODING}/encoder.onnx", "vendor/onnxruntime-web", "page"} <= {
        part.name for part in parts
    }


def test_the_networks_of_a_bundle_give_the_faces_of_the_run(
    bundle: tuple[Path, list[Part]], trained_runs: dict[str, Run], faces: Any
) -> None:
    generator, encoder = (unpacked(bundle[0] / f"runs/{ENCODING}/{part}.onnx") for part in ("generator", "encoder"))
    run, images = mien.open_run(trained_runs[ENCODING].path), faces.images[:5]
    (mu,) = encoder.run(None, {"x": signed(images)})
    (x,) = generator.run(["x"], {"z": mu})
    assert mu == pytest.approx(run.encode(images)[0], abs=0.01)
    assert np.abs(x - signed(run.reconstruct(images))).max() * 127.5 < 2


def test_an_encoder_without_log_variances_loses_half_of_its_last_layer_and_no_mean(tmp_path: Path) -> None:
    model = mien.open_run(fresh(tmp_path, ENCODING)).model
    whole, half = encoder_graph(model), encoder_graph(model)
    keep_means_only(half)
    x = {"x": np.random.default_rng(0).uniform(-1, 1, (3, 3, 32, 32)).astype(np.float32)}
    (mu,) = open_session(half.SerializeToString()).run(None, x)
    assert mu == pytest.approx(open_session(whole.SerializeToString()).run(["mu"], x)[0], abs=1e-6)
    linear = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    (last,) = (layer for layer in linear if layer.out_features == 2 * model.latent_dim)
    assert whole.ByteSize() - half.ByteSize() > model.latent_dim * last.in_features * 4


@pytest.mark.parametrize(("bits", "most", "off"), [(16, 0.51, 0.02), (8, 0.31, 0.5), (6, 0.31, 2.0)])
def test_fewer_bits_make_a_smaller_file_that_is_a_little_further_off(
    bits: int, most: float, off: float, tmp_path: Path
) -> None:
    model = mien.open_run(fresh(tmp_path, ADVERSARIAL, "model.latent_dim=512", "model.width=16")).model
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
    monkeypatch.setattr(bundle_module, "MOST_BYTES", 1000)
    parts = export_web(trained_runs[ADVERSARIAL].path, tmp_path / "site")
    assert ["in 8 bits" in part.words for part in parts if part.name.endswith(".onnx")] == [True]


def test_networks_that_are_too_far_from_pytorch_are_not_written(
    trained_runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_module, "MOST_MEAN", 0.0)
    with pytest.raises(RunError, match=rf"the generator of {ADVERSARIAL}, stored small, is .* nothing was written"):
        export_web(trained_runs[ADVERSARIAL].path, tmp_path / "site")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_earlier_bundle_is_left_alone(trained_runs: dict[str, Run], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all my work")
    with pytest.raises(RunError, match="is no earlier bundle"):
        export_web(trained_runs[ADVERSARIAL].path, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_bundle_takes_the_place_of_an_earlier_one_and_of_nothing_else(
    trained_runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    for name in (CONDITIONAL, ADVERSARIAL):
        assert main(["export", str(trained_runs[name].path), "--to", "web", str(site)]) == 0
        (site / "CNAME").write_text("faces.example.org")
        (site / "reports-2026").mkdir(exist_ok=True)
        (site / "reports-2026" / "thesis.txt").write_text("all my work")
    assert "MB in all    next: python -m http.server --directory" in capsys.readouterr().out
    assert [path.name for path in (site / "runs").iterdir()] == [ADVERSARIAL]
    assert (site / "CNAME").exists()
    assert (site / "reports-2026" / "thesis.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.fixture(scope="module")
def of_photographs(faces: Faces, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of pictures from a folder, with a report."""
    folder = tmp_path_factory.mktemp("photographs")
    (folder / "faces").mkdir()
    for row in range(60):
        Image.fromarray(faces.images[row]).save(folder / "faces" / f"{row}.png")
    run = tiny.train(folder / ENCODING, tiny.recipe(ENCODING, f"data.source={folder / 'faces'}"))
    (run.path / "report").mkdir()
    (run.path / "report" / "report.html").write_text(f"mien report {run.path}")
    return run


def contents(folder: Path) -> bytes:
    """All bytes of a bundle, the page's own left out."""
    kept = [file for file in folder.rglob("*") if file.is_file() and not {"app", "vendor"} & set(file.parts)]
    return b"\n".join(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw for raw in map(Path.read_bytes, kept))


def test_photographs_and_the_report_are_left_out_of_a_bundle_and_that_is_said(
    of_photographs: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(of_photographs.path), "--to", "web", str(tmp_path / "site")]) == 0
    (run,) = json.loads((tmp_path / "site" / "exhibit.json").read_text())["runs"]
    assert (run["map"], run["report"]) == (None, None)
    assert "it shows the faces that the model was tested on" in run["notes"][0]
    assert run["directions"]
    assert (tmp_path / "site" / "runs" / ENCODING / "directions.f32").is_file()
    assert not list((tmp_path / "site").rglob("faces.jpg")) + list((tmp_path / "site").rglob("report*"))
    assert not (tmp_path / "site" / "runs" / ENCODING / "map").exists()
    assert str(of_photographs.path.parent).encode() not in contents(tmp_path / "site")
    said = " ".join(capsys.readouterr().err.split())
    left_out = f"Left out: the map of {ENCODING}, the report; --with-test"
    assert f"no face that a model was trained or tested on. {left_out}" in said
    assert "no face that a model was trained or tested on" in (tmp_path / "site" / "MODEL_CARD.md").read_text()


def test_photographs_and_the_report_are_in_a_bundle_that_is_asked_for_them(
    of_photographs: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    assert main(["export", str(of_photographs.path), "--to", "web", str(site), "--with-test-faces"]) == 0
    (run,) = json.loads((site / "exhibit.json").read_text())["runs"]
    assert (site / "runs" / ENCODING / "map" / "faces.jpg").is_file()
    assert (site / run["report"]).is_file()
    photographs = f"{run['map']['count']} photographs that {ENCODING} was tested on"
    words = f"{photographs}, with attributes and latents; a report, which"
    assert words in " ".join(capsys.readouterr().err.split())
    assert words in (site / "MODEL_CARD.md").read_text()


def test_drawn_faces_are_nobodys_and_are_always_on_the_map(bundle: tuple[Path, list[Part]]) -> None:
    assert (bundle[0] / "runs" / ENCODING / "map" / "faces.jpg").is_file()
    assert f"drawn faces that {ENCODING} was tested on" in (bundle[0] / "MODEL_CARD.md").read_text()


def test_no_path_of_this_machine_is_in_the_notes_of_a_bundle(of_photographs: Run, tmp_path: Path) -> None:
    shutil.copytree(of_photographs.path, tmp_path / "plan" / ENCODING)
    recipe = tmp_path / "plan" / ENCODING / "recipe.toml"
    recipe.write_text(recipe.read_text().replace(f"{of_photographs.path.parent}", f"{tmp_path}/gone"))
    shutil.copytree(of_photographs.path, tmp_path / "plan" / "broken")
    for name in ("weights", "best"):
        (tmp_path / "plan" / "broken" / f"{name}.safetensors").write_bytes(b"no weights")
    plan = {"format": 1, "name": "two", "title": "Two", "runs": [ENCODING, "broken"], "skipped": {}}
    (tmp_path / "plan" / "plan.json").write_text(json.dumps(plan))
    export_web(tmp_path / "plan", tmp_path / "site")
    manifest = json.loads((tmp_path / "site" / "exhibit.json").read_text())
    assert "Left out: broken" in manifest["notes"][0]
    assert "No map of faces and no directions" in manifest["runs"][0]["notes"][0]
    assert str(tmp_path).encode() not in contents(tmp_path / "site")


def wrote(site: Path, *addresses: str) -> None:
    """A bundle of files that hold nothing."""
    write_bundle(site, {**dict.fromkeys(addresses, b""), FILE_LIST: file_list([*addresses, FILE_LIST])})


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_the_user_put_beside_a_bundle_stays_whatever_its_name(tmp_path: Path) -> None:
    wrote(tmp_path / "site", "app/main.js", f"runs/{ENCODING}/generator.onnx", "report/report.html")
    own = {"reports-2026/thesis.txt", "report/mine.txt", "runs/notes.txt", "app/mine.js"}
    for name in own:
        (tmp_path / "site" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "site" / name).write_text("all my work")
    wrote(tmp_path / "site", "app/main.js", f"runs/{ADVERSARIAL}/generator.onnx")
    assert files_in(tmp_path / "site") == own | {"app/main.js", f"runs/{ADVERSARIAL}/generator.onnx", FILE_LIST}
    assert not (tmp_path / "site" / "runs" / ENCODING).exists()
    assert all((tmp_path / "site" / name).read_text() == "all my work" for name in own)


def test_a_file_of_the_users_in_the_place_of_a_new_one_is_not_overwritten(tmp_path: Path) -> None:
    wrote(tmp_path / "site", f"runs/{ADVERSARIAL}/generator.onnx")
    (tmp_path / "site" / "report").mkdir()
    (tmp_path / "site" / "report" / "report.html").write_text("mine")
    with pytest.raises(RunError, match=r"report\.html: is there already, and is not of the earlier bundle"):
        wrote(tmp_path / "site", f"runs/{ENCODING}/generator.onnx", "report/report.html")
    assert (tmp_path / "site" / "report" / "report.html").read_text() == "mine"
    assert (tmp_path / "site" / "runs" / ADVERSARIAL / "generator.onnx").is_file()


def test_a_list_that_names_files_elsewhere_removes_none(tmp_path: Path) -> None:
    wrote(tmp_path / "site", "app/main.js")
    (tmp_path / "thesis.txt").write_text("all my work")
    elsewhere = ["../thesis.txt", str(tmp_path / "thesis.txt")]
    (tmp_path / "site" / FILE_LIST).write_bytes(file_list([*elsewhere, "app/main.js", FILE_LIST]))
    wrote(tmp_path / "site", "app/main.js")
    assert (tmp_path / "thesis.txt").read_text() == "all my work"


def test_a_bundle_that_could_not_be_written_whole_is_replaced_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote(tmp_path / "site", "app/old.js")
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
        with pytest.raises(RunError, match="the disk is full"):
            wrote(tmp_path / "site", "app/new.js")
    wrote(tmp_path / "site", "app/new.js", "app/newer.js")
    assert files_in(tmp_path / "site") == {"app/new.js", "app/newer.js", FILE_LIST}


def test_faces_of_the_test_set_are_not_for_an_onnx_file(
    trained_runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(trained_runs[ADVERSARIAL].path)
    given = ["export", run, "--to", "onnx", str(tmp_path / "x.onnx"), "--with-test-faces"]
    assert main(given) == 2
    assert "--with-test-faces: is for --to web" in capsys.readouterr().err
