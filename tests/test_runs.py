"""The run folder: whole or not there, one process at a time, readable whatever happened."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch

import tiny
from mien import open_run
from mien.cli import main
from mien.errors import Interrupted, RecipeError, RunError
from mien.files import reading
from mien.files.tensors import read_tensors, write_tensors
from mien.files.writing import write_text
from mien.models import model_class
from mien.runs import folder
from mien.runs import provenance as provenance_module
from mien.runs.folder import Run
from mien.runs.plan_folder import is_plan
from mien.runs.weights import load_model
from mien.sessions.snapshots import rewind_best
from mien.sessions.train import change_length, train_run
from mien.training.checkpoint import find_damage
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING, Killed, kill


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", tiny.recipe(ENCODING), "fingerprint")


def test_a_new_run_holds_its_whole_recipe_and_where_it_comes_from(run: Run) -> None:
    assert Run.open(run.path).recipe() == tiny.recipe(ENCODING)
    provenance = run.provenance()
    assert (provenance.format, provenance.data_fingerprint, provenance.seed) == (1, "fingerprint", 0)
    written = json.loads(run.provenance_file.read_text())
    assert {"mien", "commit", "python", "torch", "numpy", "machine", "threads", "command", "started"} <= set(written)


@pytest.mark.parametrize(
    ("program", "command"),
    [("/usr/bin/mien", "mien train 'a b'"), ("/x/mien/__main__.py", "mien train 'a b'"), ("/x/mien/mine.py", "Python")],
)
def test_the_command_line_is_kept_as_it_was_typed(program: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [program, "train", "a b"])
    assert provenance_module.surroundings()["command"] == command


def test_a_second_run_in_the_same_folder_is_refused(run: Run) -> None:
    with pytest.raises(
        RunError, match=r"holds a run already. `mien resume .*run` goes on with it; --out starts another"
    ):
        Run.create(run.path, tiny.recipe(ENCODING), "fingerprint")


def test_a_run_cannot_be_made_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file/run: cannot be written: .*Choose another folder with --out"):
        Run.create(tmp_path / "file" / "run", tiny.recipe(ENCODING), "fingerprint")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a run folder \(it has no recipe.toml\)"):
        Run.open(tmp_path)


def test_a_folder_that_holds_runs_names_them(run: Run) -> None:
    with pytest.raises(RunError, match=r"is not a run folder .* Give one of the runs in it: run\."):
        Run.open(run.path.parent)


def test_the_commit_of_a_project_that_mien_is_installed_in_is_not_taken_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site_packages = tmp_path / ".venv" / "lib" / "python3" / "site-packages" / "mien"
    site_packages.mkdir(parents=True)
    commands = (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"],
    )
    for command in commands:
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    monkeypatch.setattr(provenance_module, "__file__", str(site_packages / "runs" / "provenance.py"))
    assert provenance_module.commit() is None


def test_a_run_of_another_version_is_refused(run: Run) -> None:
    run.provenance_file.write_text(json.dumps({"format": 7, "mien": "9.9"}))
    with pytest.raises(
        RunError, match=r"is a run of format 7; this version .* reads format 1. Use mien 9.9, which wrote"
    ):
        Run.open(run.path)


@pytest.mark.parametrize("content", ["", '{"format": 1', "[1, 2]", "3", "\0"])
def test_damaged_json_is_refused_in_words(run: Run, content: str) -> None:
    run.provenance_file.write_text(content)
    with pytest.raises(RunError, match=r"provenance.json: cannot be read .*The run folder is damaged"):
        run.provenance()


@pytest.mark.parametrize("content", ["", '{"test_mse": {', "[1, 2]", '{"x": 3}'])
def test_damaged_numbers_count_as_not_measured(run: Run, content: str) -> None:
    run.metrics_file.write_text(content)
    assert run.metrics() == {}


def test_a_recipe_that_was_edited_into_none_is_refused_with_its_file(run: Run) -> None:
    run.recipe_file.write_text(run.recipe_file.read_text().replace("latent_dim", "latent_dims"))
    with pytest.raises(RecipeError, match=r"recipe.toml: model.latent_dims is not a key. Did you mean 'latent_dim'"):
        run.recipe()
    run.recipe_file.write_text("name = ")
    with pytest.raises(RecipeError, match=r"recipe.toml: is not TOML that can be read"):
        run.recipe()


def test_a_disk_without_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(folder.shutil, "disk_usage", lambda path: usage(2**30))
    with pytest.raises(RunError, match=r"the disk has 1.0 GiB free; a run needs 2 GiB. Make room, or .* --out"):
        Run.create(tmp_path / "run", tiny.recipe(ENCODING), "fingerprint")
    assert not (tmp_path / "run" / "recipe.toml").exists()


HOLD = """
import sys, filelock
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_in_use_by_another_process_is_refused_until_it_ends(run: Run, faces: Any) -> None:
    command = [sys.executable, "-c", HOLD, str(run.path / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with (
            pytest.raises(RunError, match=r"is in use by another process.* Wait for it, or stop it first"),
            run.locked(),
        ):
            pass
        other.kill()
    with run.locked():
        pass


def test_a_line_of_the_log_that_was_cut_short_is_left_out(run: Run) -> None:
    run.append_log({"images_seen": 8, "phase/kl": 0.5})
    with run.log_file.open("a") as file:
        file.write('{"images_seen": 16, "phase/')
    assert run.log() == [{"images_seen": 8, "phase/kl": 0.5}]


def test_the_log_is_rewound_to_a_checkpoint(run: Run) -> None:
    for images_seen in (0, 8, 16, 24):
        run.append_log({"images_seen": images_seen})
    run.rewind_log(16)
    assert [line["images_seen"] for line in run.log()] == [0, 8, 16]


def test_a_text_that_cannot_be_written_leaves_the_old_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    before = run.recipe_file.read_text()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"could not be written .*No space left"):
        write_text(run.recipe_file, "half")
    assert run.recipe_file.read_text() == before


def test_who_reads_a_text_while_it_is_replaced_sees_the_old_one_whole(run: Run) -> None:
    before = run.recipe_file.read_text()
    with run.recipe_file.open() as reader:
        write_text(run.recipe_file, "new")
        assert reader.read() == before
    assert run.recipe_file.read_text() == "new"


def test_tensors_that_cannot_be_written_leave_the_old_ones(run_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    run = run_of(ENCODING)
    before = run.weights.read_bytes()
    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(RunError, match=r"could not be written .*No space left.*What was there before is unharmed"):
        write_tensors(run.weights, {}, {})
    assert run.weights.read_bytes() == before


def test_a_long_line_of_a_log_is_left_out_whole_and_a_huge_log_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail = json.dumps({"images_seen": 1})
    run.log_file.write_text(f'{{"images_seen": 0}}\n{" " * reading.LONGEST_LINE}{tail}\n{{"images_seen": 2}}')
    assert [line["images_seen"] for line in run.log()] == [0, 2]
    monkeypatch.setattr(reading, "MOST_LOG", 100)
    with pytest.raises(RunError, match=r"log.jsonl: cannot be read \([\d,]+ bytes, more than the 100 .* Move it away"):
        run.log()


def test_tensors_may_be_read_by_whoever_may_read_the_rest(run: Run) -> None:
    before = os.umask(0o027)
    try:
        (run.path / "weights.safetensors.tmp").touch(0o600)  # as a kill may leave it
        write_tensors(run.weights, {"a": torch.zeros(1)}, {})
        write_text(run.metrics_file, "{}")
    finally:
        os.umask(before)
    assert [file.stat().st_mode & 0o777 for file in (run.weights, run.metrics_file)] == [0o640, 0o640]


NOT_UTF8 = os.fsdecode(b"u\xff")


def test_a_run_cannot_be_made_where_its_weights_could_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"path is not UTF-8, and safetensors opens no other. .* another folder with --out"
    ):
        Run.create(tmp_path / NOT_UTF8, tiny.recipe(ENCODING), "fingerprint")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems have no such names")
def test_sound_weights_under_a_name_that_is_not_utf8_are_not_called_damaged(run_of: Any, tmp_path: Path) -> None:
    path = tmp_path / f"{NOT_UTF8}.safetensors"
    shutil.copy(run_of(ENCODING).weights, path)
    for read in (load_model, find_damage):
        with pytest.raises(RunError, match=r"is not UTF-8, .*may be sound: rename the file, or its folder"):
            read(path)


@pytest.mark.parametrize("file", ["weights", "provenance_file", "recipe_file", "log_file"])
def test_a_file_that_may_not_be_read_is_told_as_such(run_of: Any, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(ADVERSARIAL)
    kept = Path.open

    def denied(path: Path, *given: Any, **more: Any) -> Any:
        if path == getattr(run, file):
            raise PermissionError(13, "Permission denied")
        return kept(path, *given, **more)

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(RunError, match=r"may not be read \(Permission denied\). See its permissions"):
        [load_model(run.weights), Run.open(run.path).recipe(), run.log()]


def test_a_run_folder_that_may_not_be_entered_is_told_as_such(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*given: Any, **more: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)
    for look in (Run.open, is_plan):
        with pytest.raises(RunError, match=r"may not be read \(Permission denied\). See its permissions, and those of"):
            look(run.path)


@pytest.mark.parametrize("command", ["resume", "sample", "report", "evaluate", "explore"])
def test_a_folder_in_the_place_of_weights_is_said_by_every_command(
    run_of: Any, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(ENCODING)
    run.weights.unlink()
    run.weights.mkdir()
    assert main([command, str(run.path)]) == 2
    assert (
        "weights.safetensors: is a folder, not a regular file. Restore the file, or delete the folder"
        in capsys.readouterr().err
    )


# Trained models


def test_weights_that_do_not_fit_their_recipe_are_refused_before_they_are_loaded(
    run_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(ENCODING)
    content, tensors = read_tensors(run.weights)
    write_tensors(run.weights, tensors | {"more": torch.zeros(2)}, content)
    monkeypatch.setattr("mien.runs.weights.read_tensors", lambda path: pytest.fail("loaded"))
    with pytest.raises(RunError, match=r"more is \(2,\), where its recipe has None\). Train the run again"):
        load_model(run.weights)


def test_weights_that_are_not_there_yet_are_missed_with_what_to_do(run: Run) -> None:
    with pytest.raises(RunError, match=r"there are no weights yet. `mien resume .*run` trains the run to its end"):
        load_model(run.weights)


@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_damaged_weights_are_refused_in_words(run_of: Any, damage: str) -> None:
    weights = run_of(ENCODING).weights
    content = weights.read_bytes()
    weights.write_bytes({"cut": content[:-100], "empty": b"", "other": b"\x08" + content[1:]}[damage])
    with pytest.raises(RunError, match=r"weights that cannot be read \(.*Train the run again"):
        load_model(weights)


def test_weights_that_lack_something_are_refused_in_words(run_of: Any) -> None:
    weights = run_of(ENCODING).weights
    with safetensors.safe_open(weights, framework="pt") as file:
        content = json.loads(file.metadata()["mien"])
    del content["crop"]
    write_tensors(weights, tiny.tensors(weights), content)
    with pytest.raises(RunError, match=r"weights that cannot be read \(crop is missing\)"):
        load_model(weights)


def test_weights_of_another_version_are_refused(tmp_path: Path) -> None:
    write_tensors(tmp_path / "weights", {}, {"format": 5})
    with pytest.raises(RunError, match=r"weights of format 5; this version of mien reads format 1"):
        load_model(tmp_path / "weights")


def test_a_file_of_weights_is_enough_to_sample_from(trained_runs: dict[str, Run], tmp_path: Path) -> None:
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(trained_runs[CONDITIONAL].weights.read_bytes())
    trained = load_model(alone)
    assert trained.images_seen == 64
    assert (trained.sample(3, seed=1) == load_model(trained_runs[CONDITIONAL].weights).sample(3, seed=1)).all()


def test_labels_are_drawn_as_they_occur_together(trained_runs: dict[str, Run], faces: Any) -> None:
    trained = load_model(trained_runs[CONDITIONAL].weights)
    drawn = trained.labels(2_000, seed=0)
    assert drawn is not None
    columns = faces.attributes[:, faces.columns(trained.attributes)][faces.rows("train")]
    assert drawn.mean(0).tolist() == pytest.approx(columns.mean(0).tolist(), abs=0.05)
    assert {tuple(row) for row in drawn.int().tolist()} == {tuple(row) for row in columns.tolist()}


def test_attributes_that_are_set_are_set_and_the_others_stay(trained_runs: dict[str, Run]) -> None:
    trained = load_model(trained_runs[CONDITIONAL].weights)
    free, fixed = trained.labels(50, seed=3), trained.labels(50, seed=3, attributes={"Smiling": 0.5})
    assert (fixed[:, 1] == 0.5).all()
    assert fixed[:, 0].equal(free[:, 0])


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"Smilling": 1},
            rf"'Smilling': not an attribute of this {CONDITIONAL}. Did you mean 'Smiling'\? Attributes: Male, Smi",
        ),
        ({"Male": 2}, r"Male=2: an attribute is from 0 .* to 1"),
        ({"Male": float("nan")}, r"Male=nan: an attribute is from 0"),
    ],
)
def test_an_attribute_that_cannot_be_set_is_refused(
    trained_runs: dict[str, Run], attributes: dict[str, float], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        load_model(trained_runs[CONDITIONAL].weights).sample(1, attributes=attributes)


def test_a_model_without_conditions_says_so(trained_runs: dict[str, Run]) -> None:
    words = rf"not an attribute of this {ADVERSARIAL}. Attributes: none: it is not conditional"
    with pytest.raises(RecipeError, match=words):
        load_model(trained_runs[ADVERSARIAL].weights).sample(1, attributes={"Male": 1})


def test_a_model_without_an_encoder_cannot_reconstruct(trained_runs: dict[str, Run], faces: Any) -> None:
    with pytest.raises(
        RecipeError, match=rf"the {model_class(ADVERSARIAL).title} has no encoder, so it cannot take a picture"
    ):
        load_model(trained_runs[ADVERSARIAL].weights).reconstruct(faces.images[:1])


def test_every_start_notes_what_it_computes_on(tmp_path: Path) -> None:
    run = tiny.train(tmp_path / "run", tiny.recipe(ENCODING))
    (start,) = run.provenance().starts
    assert (start.device, start.precision) == ("cpu", "float32")
    assert start.model_dump()["torch"] == torch.__version__


# The best snapshot

DISTANCES = [99, 9, 8, 7, 6, 5, 7, 8, 9, 4, 9]  # of the snapshots at 0, 8, 16 ... images; the best of 64 is at 40
EVERY_STEP = ("training.snapshot_every_images=8", "training.checkpoint_every_seconds=1000")


@pytest.fixture
def distances(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.measure_distances(monkeypatch, DISTANCES)


def kept(run: Run) -> tuple[int, float | None]:
    best = load_model(run.best)
    return best.images_seen, best.distance


@pytest.fixture
def killed(tmp_path: Path, distances: None, faces: Any) -> tuple[Run, bytes]:
    """A run saved at 24 images and killed at 48, and its best weights as they were at 24."""
    recipe = tiny.recipe(ADVERSARIAL, *EVERY_STEP)
    with pytest.raises(Interrupted):
        tiny.train(tmp_path / "killed", recipe, tiny.Watcher(24, lambda: signal.raise_signal(signal.SIGINT)))
    run = Run.open(tmp_path / "killed")
    saved = run.best.read_bytes()
    with pytest.raises(Killed):
        train_run(run, faces, tiny.Watcher(48, kill))
    return run, saved


def test_the_best_snapshot_is_kept_and_can_be_sampled_from(tmp_path: Path, distances: None, faces: Any) -> None:
    run = tiny.train(tmp_path / "run", tiny.recipe(ADVERSARIAL, *EVERY_STEP))
    assert kept(run) == (40, 5)
    shorter = tiny.train(tmp_path / "shorter", tiny.recipe(ADVERSARIAL, "training.steps=5"))
    assert tiny.same(tiny.tensors(run.best), tiny.tensors(shorter.weights))
    assert main(["sample", str(run.best), "--out", str(tmp_path / "faces.png")]) == 0
    assert (open_run(run.best).sample(3) == open_run(shorter.weights).sample(3)).all()
    assert not run.bests_before()


def test_a_best_snapshot_past_the_checkpoint_is_taken_back_with_the_log(killed: tuple[Run, bytes]) -> None:
    run, saved = killed
    assert kept(run) == (40, 5)
    rewind_best(run)
    assert run.best.read_bytes() == saved
    rewind_best(run)
    assert run.best.read_bytes() == saved


def test_after_a_kill_the_best_equals_that_of_an_uninterrupted_run(
    killed: tuple[Run, bytes], tmp_path: Path, faces: Any
) -> None:
    run, _ = killed
    train_run(run, faces)
    uninterrupted = tiny.train(tmp_path / "uninterrupted", tiny.recipe(ADVERSARIAL, *EVERY_STEP))
    assert run.best.read_bytes() == uninterrupted.best.read_bytes()


def test_a_first_best_snapshot_without_a_checkpoint_is_forgotten(tmp_path: Path, distances: None) -> None:
    with pytest.raises(Killed):
        tiny.train(tmp_path / "run", tiny.recipe(ENCODING, *EVERY_STEP), tiny.Watcher(16, kill))
    run = Run.open(tmp_path / "run")
    assert kept(run) == (16, 8)
    rewind_best(run)
    assert not run.best.exists()


def test_the_best_of_a_run_that_is_made_longer_stays_until_there_is_a_better_one(
    tmp_path: Path, distances: None, faces: Any
) -> None:
    run = tiny.train(tmp_path / "run", tiny.recipe(ADVERSARIAL, *EVERY_STEP))
    change_length(run, faces, ["training.steps=10"])
    assert kept(run) == (40, 5)
    train_run(run, faces)
    assert kept(run) == (72, 4)
