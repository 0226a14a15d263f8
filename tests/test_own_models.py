"""A model of the user's own: one file, named by a recipe; and a run of somebody else runs none of its code."""

import shutil
from pathlib import Path

import pytest

import mien
import tiny
from mien.cli import main
from mien.errors import RecipeError, RunError
from mien.models.own_code import CODE_FILE
from mien.recipes.recipe import load_recipe
from mien.runs.folder import Run
from tiny import ENCODING

CODE = """
import pathlib
from typing import Literal
from torch import Tensor, nn
from mien.models.base import {imports}
from mien.models.options import ModelConfig

with pathlib.Path({mark!r}).open("a") as file:
    file.write("ran ")

class Config(ModelConfig):
    gain: float = 1.0

class Linear(Model):
    Config = Config

    def __init__(self, config: Config, image_size: int) -> None:
        super().__init__(config, image_size)
        self.generator = nn.Linear(config.latent_dim, 3 * image_size**2)
        self.gain = config.gain
        self.phases = (Phase("generator", ("generator",), self.loss),)

    def loss(self, batch):
        error = (self.generate(batch.noise(self.latent_dim)) - batch.x).square().mean()
        return {{"error": {term}}}

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return (self.gain * self.generator(z)).tanh().view(len(z), 3, self.image_size, self.image_size)
"""
RECIPE = """
name = "mine"
health = false
[data]
source = "drawn:200"
size = 32
[model]
name = "{name}"
latent_dim = 4
[training]
batch_size = 8
steps = 4
device = "cpu"
precision = "float32"
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe beside the file of its model; each time that file runs, it adds to 'ran'."""
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "work"
    folder.mkdir()
    code = CODE.format(mark=str(tmp_path / "ran"), imports="Model, Phase, Term", term="Term(error)")
    (folder / "mine.py").write_text(code)
    (folder / "mine.toml").write_text(RECIPE.format(name="mine.py:Linear"))
    return folder / "mine.toml"


def runs_of_the_code(tmp_path: Path) -> int:
    file = tmp_path / "ran"
    return file.read_text().count("ran") if file.exists() else 0


def forget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on another machine, in another process."""
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "another cache"))
    for name in ("_modules", "_contents", "_given"):
        monkeypatch.setattr(f"mien.models.own_code.{name}", {})


def test_a_file_beside_a_recipe_is_a_model_that_trains_and_samples(mine: Path, tmp_path: Path, caplog) -> None:
    assert main(["train", str(mine), "--out", str(tmp_path / "run"), "model.gain=2"]) == 0
    assert f"running the code of {mine.with_name('mine.py')}" in caplog.text
    run = Run.open(tmp_path / "run")
    assert (run.path / CODE_FILE).read_text() == mine.with_name("mine.py").read_text()
    assert mien.open_run(run.path).sample(2).shape == (2, 32, 32, 3)
    assert runs_of_the_code(tmp_path) == 1


def test_a_run_goes_on_with_the_code_it_was_begun_with(mine: Path, tmp_path: Path, monkeypatch) -> None:
    run = tiny.train(tmp_path / "run", load_recipe(mine))
    mine.with_name("mine.py").write_text("raise SystemError('edited since')")
    for name in ("_modules", "_contents", "_given"):
        monkeypatch.setattr(f"mien.models.own_code.{name}", {})
    assert main(["resume", str(run.path), "training.steps=6"]) == 0


@pytest.mark.parametrize("command", ["sample", "evaluate", "report", "explore", "resume", "export"])
def test_a_run_from_elsewhere_runs_no_code(command: str, mine: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    run = tiny.train(tmp_path / "run", load_recipe(mine))
    shutil.move(run.path, tmp_path / "theirs")
    forget(monkeypatch, tmp_path)
    more = {"export": ["--to", "onnx", str(tmp_path / "x.onnx")], "explore": ["--no-browser"]}.get(command, [])
    assert main([command, str(tmp_path / "theirs"), *more]) == 2
    said = capsys.readouterr().err
    assert "read it, then add --model-code" in said
    assert CODE_FILE in said
    assert runs_of_the_code(tmp_path) == 1  # when it was trained


def test_weights_alone_run_no_code_either(mine: Path, tmp_path: Path, monkeypatch) -> None:
    run = tiny.train(tmp_path / "run", load_recipe(mine))
    alone = shutil.copy(run.weights, tmp_path / "weights.safetensors")
    forget(monkeypatch, tmp_path)
    with pytest.raises(RunError, match="Add --model-code FILE"):
        mien.open_run(alone)
    assert mien.open_run(alone, model_code=mine.with_name("mine.py")).sample(1).shape == (1, 32, 32, 3)


def test_code_that_is_given_runs(mine: Path, tmp_path: Path, monkeypatch) -> None:
    run = tiny.train(tmp_path / "run", load_recipe(mine))
    forget(monkeypatch, tmp_path)
    out = str(tmp_path / "grid.png")
    assert main(["sample", str(run.path), "--model-code", str(run.path / CODE_FILE), "--out", out]) == 0


def test_other_code_in_a_run_that_was_allowed_once_is_asked_for_again(mine: Path, tmp_path: Path, monkeypatch) -> None:
    run = tiny.train(tmp_path / "run", load_recipe(mine))
    (run.path / CODE_FILE).write_text((run.path / CODE_FILE).read_text() + "\nimport os\n")
    with pytest.raises(RunError, match="runs no code that comes with a run folder"):
        mien.open_run(run.path)


def test_a_module_that_can_be_imported_is_a_model(mine: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(mine.parent)
    mine.write_text(RECIPE.format(name="mine:Linear"))
    run = tiny.train(tmp_path / "run", load_recipe(mine))
    assert mien.open_run(run.path).sample(1).shape == (1, 32, 32, 3)
    forget(monkeypatch, tmp_path)
    with pytest.raises(RunError, match=r"add --model-code mine$"):
        mien.open_run(run.path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.py:Linear", r"none.py: cannot be read .* Give the file that the model is in"),
        ("mine.py:Liner", r"Liner is not a model there.* Did you mean 'Linear'\? Models there: Linear"),
        ("mine.py:Config", r"Config is not a model there"),
        ("broken.py:Linear", r"its code failed \(ZeroDivisionError: division by zero\)"),
        ("no_such_module:Linear", r"its code failed \(ModuleNotFoundError"),
        ("linear", rf"not a model.* Models: {ENCODING}, .* or a class of your own, as FILE.py:CLASS"),
    ],
)
def test_what_is_wrong_with_a_name_is_told(name: str, said: str, mine: Path) -> None:
    mine.with_name("broken.py").write_text("1 / 0")
    mine.write_text(RECIPE.format(name=name))
    with pytest.raises(RecipeError, match=said):
        load_recipe(mine)


@pytest.mark.parametrize("name", ["{a = 1}", "2026-11-28T10:00:00", "[1, 'a:b']", "'a b:c'", "'os:'", "':Linear'"])
def test_what_is_no_name_of_a_model_runs_nothing(name: str, mine: Path, caplog: pytest.LogCaptureFixture) -> None:
    mine.write_text(RECIPE.format(name="?").replace('name = "?"', f"name = {name}"))
    with pytest.raises(RecipeError, match=r"which is not a model"):
        load_recipe(mine)
    assert "running the code" not in caplog.text


def test_an_option_that_the_class_does_not_have_is_told(mine: Path) -> None:
    with pytest.raises(RecipeError, match=r"model.gian is not a key. Did you mean 'gain'"):
        load_recipe(mine, ["model.gian=2"])
