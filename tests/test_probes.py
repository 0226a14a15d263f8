"""Models that are no relatives of those inside, each a user's own file: mien does everything with them."""

import html
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mien
import tiny
from asking import Explorer
from mien.cli import main
from mien.explorer.site import open_site
from mien.faces.batches import Batches
from mien.models.base import Encodes
from mien.models.own_code import CODE_FILE
from mien.models.terms import R1_PENALTY
from mien.recipes.recipe import Recipe, apply_overrides, check
from mien.runs.folder import Run
from mien.sessions.train import train_run
from model_contract import assert_draws_through_its_batch
from tiny import Killed, Watcher, assert_same_outcome, kill

PROBES = Path(__file__).with_name("probes")
CLASSES = {Path(name.rpartition(":")[0]).stem: found for name, found in tiny.PROBES.items()}
every_probe = pytest.mark.parametrize("name", CLASSES)


def recipe(name: str, *overrides: str) -> Recipe:
    table = {
        "name": name.replace("_", "-"),
        "data": {"source": tiny.SOURCE, "size": 32},
        "model": {"name": f"{PROBES / name}.py:{CLASSES[name]}", "latent_dim": 8, "width": 4},
        "training": {
            **{"batch_size": 8, "steps": 8, "device": "cpu", "precision": "float32", "log_every_images": 16},
            **{"ema_decay": 0.9, "snapshot_every_images": 40},
        },
    }
    return check(apply_overrides(table, overrides), "probe")


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("probes")
    return {name: tiny.train(folder / name, recipe(name)) for name in CLASSES}


@every_probe
def test_it_goes_on_exactly_after_a_kill(name: str, probes: dict[str, Run], tmp_path: Path) -> None:
    stopped = recipe(name, "training.checkpoint_every_seconds=0")
    with pytest.raises(Killed):
        tiny.train(tmp_path / name, stopped, Watcher(40, kill))
    run = Run.open(tmp_path / name)
    train_run(run, tiny.faces())
    assert_same_outcome(run, probes[name])


@every_probe
def test_a_batch_in_two_pieces_loses_what_the_whole_loses(name: str, probes: dict[str, Run]) -> None:
    model = mien.open_run(probes[name].path).model
    batch = Batches(tiny.faces(), "train", attributes=model.attributes).at(0, 8)
    assert_draws_through_its_batch(model, batch)


@every_probe
def test_it_is_measured_and_reported_by_its_own_names(name: str, probes: dict[str, Run]) -> None:
    run = probes[name]
    assert main(["evaluate", str(run.path)]) == 0
    numbers = json.loads(run.metrics_file.read_text())
    assert any(number.startswith("fd_judge") for number in numbers)
    assert ("test_mse" in numbers) == isinstance(mien.open_run(run.path).model, Encodes)
    assert main(["report", str(run.path)]) == 0
    page = html.unescape((run.path / "report" / "report.html").read_text())
    model = mien.open_run(run.path).model
    quantities = {term.quantity for phase in model.phases for term in phase.terms.values()}
    assert {text for text in (model.title, model.about, *(q.title for q in quantities)) if text not in page} == set()
    assert R1_PENALTY in quantities or R1_PENALTY.title not in page


@every_probe
def test_it_is_exported_and_drawn_from_without_pytorch_and_without_its_code(
    name: str, probes: dict[str, Run], tmp_path: Path
) -> None:
    file = tmp_path / "model.onnx"
    assert main(["export", str(probes[name].path), "--to", "onnx", str(file)]) == 0
    program = (
        "import sys, numpy as np, mien\n"
        "model = mien.open_run(sys.argv[1]); np.save(sys.argv[2], model.sample(4, seed=1))\n"
        "if model.content['encodes']: model.reconstruct(model.sample(2))\n"
        "sys.exit('torch' in sys.modules)"
    )
    drawn = tmp_path / "drawn.npy"
    subprocess.run([sys.executable, "-c", program, str(file), str(drawn)], check=True)
    expected = mien.open_run(probes[name].path).sample(4, seed=1)
    assert np.abs(np.load(drawn).astype(int) - expected).max() <= 1


@every_probe
@pytest.mark.parametrize("runtime", ["pytorch", "onnxruntime"])
def test_it_is_explored_by_a_server(name: str, runtime: str, probes: dict[str, Run]) -> None:
    explorer = Explorer(open_site([probes[name].path]), runtime)
    try:
        trained = mien.open_run(probes[name].path)
        z = np.zeros((1, 8), np.float32)
        y = np.ones((1, len(trained.attributes)), np.float32) if trained.attributes else None
        answer = explorer.engine.generate(next(iter(explorer.site.weights)), "last", z, y).result()
        assert np.abs(answer.astype(int) - trained.generate(z, y)).max() <= 1
    finally:
        explorer.stop()


@every_probe
def test_it_is_explored_by_a_bundle(name: str, probes: dict[str, Run], tmp_path: Path) -> None:
    assert main(["export", str(probes[name].path), "--to", "web", str(tmp_path / "site")]) == 0
    names = {path.name for path in (tmp_path / "site").rglob("*.onnx*")}
    encodes = isinstance(mien.open_run(probes[name].path).model, Encodes)
    assert any("generator" in file for file in names)
    assert any("encoder" in file for file in names) == encodes


@every_probe
def test_pictures_go_through_a_probe_that_encodes(name: str, probes: dict[str, Run], tmp_path: Path, capsys) -> None:
    grid = tmp_path / "face.png"
    assert main(["data", "draw", "--count", "1", "--out", str(grid)]) == 0
    code = main(["reconstruct", str(probes[name].path), str(grid), "--out", str(tmp_path / "both.png")])
    if isinstance(mien.open_run(probes[name].path).model, Encodes):
        assert code == 0
    else:
        assert code == 2
        assert "has no encoder" in capsys.readouterr().err


@every_probe
def test_a_probe_of_somebody_else_does_not_run(name: str, probes: dict[str, Run], tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(probes[name].path, tmp_path / "theirs")
    (tmp_path / "theirs" / CODE_FILE).write_text("raise SystemExit('it ran')")
    assert main(["sample", str(tmp_path / "theirs")]) == 2
