"""What an ONNX file would compute is looked at first: what mien exports passes, programs of others do not."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hostile_onnx
import tiny
from mien.cli import main
from mien.errors import RecipeError, RunError
from mien.export import onnx_bounds
from mien.export.onnx_export import encoder_graph, generator_graph
from mien.export.runtime import open_exported
from mien.models import model_class
from mien.models.base import Encodes, Model
from mien.recipes.recipe import load_recipe
from tiny import CONDITIONAL, ENCODING

PRESETS = sorted(file.name.removesuffix(".toml") for file in files("mien.recipes").iterdir())
VERIFICATION = Path(hostile_onnx.__file__).parent
MOST_GROWTH = 64  # MiB, of a process that is given all programs in turn
MOST_OF_THE_COSTLIEST = 512  # MiB, for a network that asks for as much as is allowed


def require_passes(model: Model) -> None:
    """Each file that is exported of a model is taken for a network of mien."""
    image = {"x": (3, model.image_size, model.image_size)}
    labels = {"y": (len(model.attributes),)} if model.attributes else {}
    latents = {"z": (model.latent_dim,)} | labels
    network = onnx_bounds.Network(described(generator_graph(model.eval())), latents, image)
    assert network.computed[2] / 2 <= network.computed[1] >= 3 * model.image_size**2
    network.require_affordable(64)
    if isinstance(model, Encodes):
        coded = {"mu": (model.latent_dim,), "logvar": (model.latent_dim,)}
        onnx_bounds.Network(described(encoder_graph(model)), image | labels, coded).require_affordable(64)


def described(graph: Any) -> Any:
    return onnx_bounds.read_description(memoryview(graph.SerializeToString()))


@pytest.mark.parametrize("preset", [name for name in PRESETS if "-" in name])
def test_what_is_exported_of_every_preset_passes(preset: str) -> None:
    recipe = load_recipe(preset)
    options = recipe.model.model_dump(exclude={"name", "attributes"}) | {"width": 2}
    require_passes(tiny.model(recipe.model.name, size=recipe.data.size, **options))


@pytest.mark.parametrize("normalization", ["none", "batch", "group"])
def test_what_is_exported_of_every_kind_of_network_passes(normalization: str) -> None:
    require_passes(tiny.model(ENCODING, depth=2, latent_dim=1, width=1, normalization=normalization))


def test_what_is_exported_of_the_deepest_model_passes() -> None:
    shape = {"size": 128, "depth": 6, "width": 1, "normalization": "group"}
    fields, wanted = model_class(CONDITIONAL).Config.model_fields, {"label_conditioning": "embedding"}
    require_passes(tiny.model(CONDITIONAL, **shape, **{key: wanted[key] for key in wanted if key in fields}))


@pytest.mark.parametrize("content", [b"\x08", b"\x80" * 11, b"\x0b", b"\x0a\x05abc", b"\x09" + bytes(8), b"\x0d\x00"])
def test_what_is_no_protocol_buffer_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"no ONNX at all|does not know"):
        onnx_bounds.read_description(memoryview(content))


def test_programs_of_others_are_refused_before_they_take_memory(tmp_path: Path) -> None:
    names = list(hostile_onnx.programs())
    for at, content in enumerate(hostile_onnx.programs().values()):
        (tmp_path / f"{at}.onnx").write_bytes(content)
    program = (
        "import json, sys; from pathlib import Path; import onnxruntime; from hostile_case import peak_memory\n"
        "from mien.export import runtime as exported; from mien import errors\n"
        "before, ended = peak_memory(), {}\n"
        "for path in sorted(Path(sys.argv[1]).glob('*.onnx')):\n"
        "    try: exported.open_exported(path)\n"
        "    except errors.RunError as error: ended[path.stem] = str(error)\n"
        "growth = peak_memory() - before\n"
        "exported.open_exported(Path(sys.argv[2]), threads=1).sample(2)\n"
        "print(json.dumps([ended, growth, peak_memory() - before]))"
    )
    (tmp_path / "costly").write_bytes(hostile_onnx.costly())
    command = [sys.executable, "-c", program, str(tmp_path), str(tmp_path / "costly")]
    told = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60, cwd=Path(hostile_onnx.__file__).parent
    )
    ended, growth, of_the_costliest = json.loads(told.stdout)
    assert [name for at, name in enumerate(names) if str(at) not in ended] == []
    assert growth < MOST_GROWTH
    assert of_the_costliest < MOST_OF_THE_COSTLIEST


def test_a_network_that_fails_when_it_is_used_is_told_in_words(tmp_path: Path) -> None:
    outside = hostile_onnx.model_of([hostile_onnx.node("Gather", "z at", "m", axis=1)], {"at": np.array([0, 7])})
    (tmp_path / "a.onnx").write_bytes(outside.SerializeToString())
    with pytest.raises(RunError, match=r"a\.onnx: its network fails .* Export the run again"):
        open_exported(tmp_path / "a.onnx").sample(1)


def test_a_network_that_costs_more_for_more_images_is_refused_when_it_is_given_them(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(hostile_onnx.later().SerializeToString())
    exported = open_exported(tmp_path / "a.onnx")
    assert exported.sample(2).shape == (2, 32, 32, 3)
    with pytest.raises(RunError, match=r"'ConstantOfShape' needs 100,000,000,000 numbers for 3 image\(s\)"):
        exported.sample(3)


def test_without_the_package_that_checks_a_file_it_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.onnx").write_bytes(hostile_onnx.graph().SerializeToString())
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(RecipeError, match=r"onnx, which checks an ONNX file, is not installed: pip install"):
        open_exported(tmp_path / "a.onnx")


def test_the_command_line_refuses_a_program_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.onnx").write_bytes(hostile_onnx.programs()["a constant of terabytes"])
    assert main(["sample", str(tmp_path / "a.onnx"), "--out", str(tmp_path / "a.png")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "its step 'ConstantOfShape' needs 1,099,511,627,776 numbers for 1 image(s)" in said[0]


def test_the_larger_its_maps_the_fewer_images_a_network_is_given_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(hostile_onnx.costly())
    (tmp_path / "b.onnx").write_bytes(hostile_onnx.graph().SerializeToString())
    assert (open_exported(tmp_path / "a.onnx").generator.chunk, open_exported(tmp_path / "b.onnx").generator.chunk) == (
        1,
        64,
    )


def test_a_file_larger_than_an_onnx_file_can_be_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.onnx").open("wb") as file:
        file.truncate(onnx_bounds.LARGEST)
    with pytest.raises(RunError, match="more than an ONNX file can have"):
        open_exported(tmp_path / "a.onnx")


@pytest.mark.parametrize("name", hostile_onnx.odd_weights())
def test_weights_that_are_no_numbers_give_a_picture_and_no_warning(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(hostile_onnx.odd_weights()[name])
    assert open_exported(tmp_path / "a.onnx").sample(2).shape == (2, 32, 32, 3)
