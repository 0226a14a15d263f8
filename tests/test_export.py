"""Export: the same faces from a file as from the run, without PyTorch, and refusals in words."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

import mien
import tiny
from mien.cli import main
from mien.errors import MienError, RecipeError, RunError
from mien.export.onnx_export import export_onnx
from mien.export.runtime import CHUNK, ExportedModel, file_beside, open_exported
from mien.models import MODELS, model_class
from mien.recipes.recipe import check
from mien.runs.folder import Run
from mien.runs.weights import TrainedModel, save_model
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING

GREY_LEVELS = 2  # that an image of the same seed may differ by


@pytest.fixture(scope="module")
def files(trained_runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every model's run as an ONNX file, to look at and not to change."""
    folder = tmp_path_factory.mktemp("exported")
    for name, run in trained_runs.items():
        export_onnx(run.path, folder / f"{name}.onnx")
    return {name: folder / f"{name}.onnx" for name in trained_runs}


def difference(one: np.ndarray, other: np.ndarray) -> int:
    assert one.dtype == other.dtype == np.uint8
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def fresh(folder: Path, name: str, *overrides: str, spoil: float | None = None) -> Path:
    """Weights of a model that was not trained."""
    recipe = tiny.recipe(name, *overrides)
    table = recipe.model_dump(mode="json", exclude_none=True)
    if tiny.has_attributes(name):
        table["model"]["attributes"] = list(tiny.ATTRIBUTES)
    recipe = check(table, "tiny")
    torch.manual_seed(0)
    model = model_class(name)(recipe.model, recipe.data.size)
    if spoil is not None:
        next(model.parameters()).data.fill_(spoil)
    save_model(folder / f"{name}.safetensors", TrainedModel(model, recipe, 0, [([0] * len(model.attributes), 1)]))
    return folder / f"{name}.safetensors"


def rewritten(path: Path, to: Path, **changes: Any) -> Path:
    """A copy of an exported file with other metadata."""
    model = onnx.load(path)
    entry = next(entry for entry in model.metadata_props if entry.key == "mien")
    entry.value = json.dumps(json.loads(entry.value) | changes)
    onnx.save(model, to)
    return to


# The same faces


@pytest.mark.parametrize("name", MODELS)
def test_a_seed_gives_the_same_faces_with_and_without_pytorch(
    name: str, files: dict[str, Path], trained_runs: dict[str, Run]
) -> None:
    run, exported = mien.open_run(trained_runs[name].path), mien.open_run(files[name])
    assert isinstance(exported, ExportedModel)
    assert (exported.attributes, exported.image_size, exported.images_seen) == (run.attributes, 32, run.images_seen)
    given = {"Male": 0.5} if exported.attributes else {}
    for seed in (0, 1):
        images = run.sample(9, seed=seed, attributes=given)
        assert difference(exported.sample(9, seed=seed, attributes=given), images) <= GREY_LEVELS


@pytest.mark.parametrize("count", [1, CHUNK, CHUNK + 3])
def test_any_number_of_faces_comes_from_one_file(count: int, files: dict[str, Path]) -> None:
    exported = open_exported(files[ADVERSARIAL])
    assert exported.sample(count, seed=3).shape == (count, 32, 32, 3)
    assert difference(exported.sample(count, seed=3)[:1], exported.sample(1, seed=3)) <= 1


def test_an_exported_model_encodes_and_reconstructs_as_its_run_does(
    files: dict[str, Path], trained_runs: dict[str, Run], faces: Any
) -> None:
    run, exported = mien.open_run(trained_runs[ENCODING].path), open_exported(files[ENCODING])
    images = faces.images[:70]
    assert difference(exported.reconstruct(images), run.reconstruct(images)) <= GREY_LEVELS
    for ours, theirs in zip(exported.encode(images), run.encode(images), strict=True):
        assert ours.shape == (70, 8)
        assert ours == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (CONDITIONAL, {"label_conditioning": "embedding", "normalization": "batch"}),
        (ENCODING, {"normalization": "group", "depth": 4, "kl_weight": "auto"}),
    ],
)
def test_every_kind_of_network_can_be_exported(name: str, options: dict[str, object], tmp_path: Path) -> None:
    fields = model_class(name).Config.model_fields
    weights = fresh(tmp_path, name, *(f"model.{key}={value}" for key, value in options.items() if key in fields))
    written = export_onnx(weights, tmp_path / "model.onnx")
    assert all(file.difference < 0.01 for file in written)
    expected = mien.open_run(weights).sample(5)
    assert difference(mien.open_run(tmp_path / "model.onnx").sample(5), expected) <= GREY_LEVELS


# The files


def test_inputs_and_outputs_have_the_documented_names_and_a_free_number_of_images(files: dict[str, Path]) -> None:
    def shapes(path: Path) -> dict[str, list[int | str]]:
        session = onnxruntime.InferenceSession(path)
        return {value.name: value.shape for value in [*session.get_inputs(), *session.get_outputs()]}

    assert shapes(files[CONDITIONAL]) == {"z": ["N", 8], "y": ["N", 3], "x": ["N", 3, 32, 32]}
    assert shapes(files[ADVERSARIAL]) == {"z": ["N", 8], "x": ["N", 3, 32, 32]}
    encoder = file_beside(files[ENCODING], "encoder")
    assert shapes(encoder) == {"x": ["N", 3, 32, 32], "mu": ["N", 8], "logvar": ["N", 8]}
    assert not file_beside(files[ADVERSARIAL], "encoder").exists()


def test_a_file_says_what_it_is_and_what_it_must_not_be_used_for(
    files: dict[str, Path], trained_runs: dict[str, Run], faces: Any
) -> None:
    content = open_exported(files[CONDITIONAL]).content
    assert content["recipe"]["model"]["name"] == CONDITIONAL
    assert content["attributes"] == list(mien.open_run(trained_runs[CONDITIONAL].path).attributes)
    assert 0 <= content["tolerance"]["grey_levels"] < 0.1
    words = (
        "drawn:200",
        faces.fingerprint,
        "Identifying people",
        "photographs",
        f"{len(faces.rows('train')):,} training",
    )
    assert all(word in content["card"] for word in words)


def test_a_file_to_give_away_does_not_say_where_anything_lies_on_this_disk(tmp_path: Path) -> None:
    weights = fresh(tmp_path, ENCODING, f"data.source={tmp_path}/album", f"data.attributes_table={tmp_path}/table.csv")
    export_onnx(weights, tmp_path / "file.onnx")
    for file in (tmp_path / "file.onnx", file_beside(tmp_path / "file.onnx", "encoder")):
        assert str(tmp_path).encode() not in file.read_bytes()
        assert str(Path(mien.__file__).parent).encode() not in file.read_bytes()
    assert open_exported(tmp_path / "file.onnx").content["recipe"]["data"]["source"] == "album"
    assert "fingerprint not known" in open_exported(tmp_path / "file.onnx").content["card"]


def test_weights_that_are_not_finite_are_not_exported(tmp_path: Path) -> None:
    weights = fresh(tmp_path, ADVERSARIAL, spoil=float("nan"))
    with pytest.raises(RunError, match=r"differs by nan grey levels .* nothing was written"):
        export_onnx(weights, tmp_path / "file.onnx")
    assert [path.name for path in tmp_path.iterdir()] == [f"{ADVERSARIAL}.safetensors"]


# Refusals


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "there is no such file"), (b"", "not an ONNX file"), (b"a photograph", "not an ONNX file")],
)
def test_what_is_not_an_onnx_file_is_refused(content: bytes | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "some.onnx").write_bytes(content)
    with pytest.raises(RunError, match=words):
        mien.open_run(tmp_path / "some.onnx")


def test_an_onnx_file_that_is_not_of_mien_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    model = onnx.load(files[ADVERSARIAL])
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(RunError, match="is not a model of mien"):
        mien.open_run(tmp_path / "other.onnx")


def test_a_file_of_a_newer_version_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    newer = rewritten(files[ADVERSARIAL], tmp_path / "newer.onnx", format=2, mien="9.0")
    with pytest.raises(RunError, match=r"format 2; .* reads format 1\. Use mien 9\.0, which wrote it"):
        mien.open_run(newer)


def test_an_encoder_alone_is_not_a_model(files: dict[str, Path]) -> None:
    with pytest.raises(RunError, match=rf"only the encoder .* Give its generator, {ENCODING}\.onnx"):
        mien.open_run(file_beside(files[ENCODING], "encoder"))


def test_a_model_whose_encoder_is_missing_or_of_another_export_still_samples(
    files: dict[str, Path], tmp_path: Path, faces: Any
) -> None:
    exported = mien.open_run(shutil.copy(files[ENCODING], tmp_path / "file.onnx"))
    assert exported.sample(1).shape == (1, 32, 32, 3)
    with pytest.raises(RunError, match=r"file-encoder\.onnx: is not there\. .* copy both"):
        exported.reconstruct(faces.images[:1])
    rewritten(file_beside(files[ENCODING], "encoder"), tmp_path / "file-encoder.onnx", weights="sha256:other")
    with pytest.raises(RunError, match="is the encoder of other weights"):
        exported.reconstruct(faces.images[:1])


def test_a_model_without_an_encoder_does_not_reconstruct(files: dict[str, Path], faces: Any) -> None:
    with pytest.raises(RecipeError, match="has no encoder"):
        mien.open_run(files[ADVERSARIAL]).reconstruct(faces.images[:1])


@pytest.mark.parametrize(("given", "words"), [({"Malle": 1}, "Did you mean 'Male'"), ({"Male": 2}, "from 0")])
def test_attributes_that_cannot_be_set_are_refused(given: Any, words: str, files: dict[str, Path]) -> None:
    with pytest.raises(RecipeError, match=words):
        mien.open_run(files[CONDITIONAL]).sample(2, attributes=given)


@pytest.mark.parametrize(
    ("file", "words"), [("file.bin", "ends in .onnx"), ("nowhere/file.onnx", "a folder that exists")]
)
def test_a_file_that_cannot_be_written_is_refused(
    file: str, words: str, trained_runs: dict[str, Run], tmp_path: Path
) -> None:
    with pytest.raises(MienError, match=words):
        export_onnx(trained_runs[ADVERSARIAL].path, tmp_path / file)


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_without_the_packages_the_export_says_what_to_install(
    package: str, trained_runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RecipeError, match=r"pip install 'mien\[export\]'"):
        export_onnx(trained_runs[ADVERSARIAL].path, tmp_path / "file.onnx")


# The command line


def test_the_commands_export_sample_and_reconstruct(
    trained_runs: dict[str, Run], tmp_path: Path, faces: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(faces.images[0]).save(tmp_path / "me.png")
    file = str(tmp_path / "file.onnx")
    assert main(["export", str(trained_runs[ENCODING].path), "--to", "onnx", file]) == 0
    assert "grey levels of PyTorch on 10 random inputs" in capsys.readouterr().out
    assert main(["sample", file, "--count", "4", "--out", str(tmp_path / "grid.png")]) == 0
    assert main(["reconstruct", file, str(tmp_path / "me.png"), "--out", str(tmp_path / "both.png")]) == 0
    with Image.open(tmp_path / "grid.png") as grid, Image.open(tmp_path / "both.png") as both:
        assert (grid.size, both.size) == ((4 * 34 - 2, 32), (32, 66))


def test_something_that_nothing_is_exported_to_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "somewhere", "--to", "onyx", "FILE"]) == 2
    assert "--to onyx: is not a kind of export. Give --to onnx FILE, or --to web DIR." in capsys.readouterr().err


def test_sampling_from_a_file_loads_no_torch(files: dict[str, Path], tmp_path: Path) -> None:
    program = (
        "import sys; from mien.cli import main\n"
        f"assert main(['sample', {str(files[CONDITIONAL])!r}, '--out', {str(tmp_path / 'grid.png')!r}]) == 0\n"
        "sys.exit(bool({'torch', 'mien.recipes.recipe', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
