"""Nothing is lost: damaged checkpoints, a disk that takes no more, two processes at once, kills, older formats."""

import contextlib
import functools
import gc
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import tiny
from mien import open_run
from mien.cli import main
from mien.errors import DataError, MienError, RunError
from mien.explorer.bundle import FILE_LIST, earlier_files, file_list, write_bundle
from mien.explorer.site import open_site
from mien.export.onnx_export import export_onnx
from mien.faces import Faces, open_faces
from mien.faces.pack.store import default_cache
from mien.files.tensors import checksum, read_tensors, write_tensors
from mien.judge import judge_of
from mien.pictures.arrays import grid
from mien.report.build import build_report
from mien.report.build import write as write_report
from mien.report.write import report_folder
from mien.runs.folder import Run
from mien.runs.plan_folder import plan_runs, write_plan
from mien.runs.weights import load_model
from mien.sessions.measure import Measuring
from mien.sessions.snapshots import rewind_best, seen_by
from mien.sessions.train import train_run
from mien.studies.plan import Plan, load_plan
from mien.studies.run_plan import begin_plan, evaluate_folder
from mien.training.checkpoint import find_damage, one_before, read_progress, recover
from tiny import ADVERSARIAL, ENCODING, Killed, Watcher, assert_same_outcome, hard, kill

TESTS = Path(__file__).parent
OFTEN = "training.checkpoint_every_seconds=0"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny.train(tmp_path_factory.mktemp("uninterrupted") / ENCODING, hard(ENCODING))


@pytest.fixture
def killed(tmp_path: Path) -> Run:
    """A run killed at 48 images, whose checkpoints are of 40 and 32."""
    with pytest.raises(Killed):
        tiny.train(tmp_path / ENCODING, hard(ENCODING, OFTEN), Watcher(48, kill))
    return Run.open(tmp_path / ENCODING)


# Checkpoints that a disk has changed


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    tiny.trainer(tiny.model(ADVERSARIAL), folder).run()
    return folder / "checkpoint.safetensors"


@given(st.data())
def test_a_flipped_bit_is_noticed_wherever_it_is(saved: Path, data: st.DataObject) -> None:
    content = bytearray(saved.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    # Half of them in the header, which is a hundredth of the file.
    place = data.draw(st.one_of(st.integers(0, header - 1), st.integers(header, len(content) - 1)))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    flipped = saved.with_name("flipped.safetensors")
    flipped.write_bytes(content)
    if not find_damage(flipped):  # the one place where nothing depends on it: the name of the checksum
        (before, tensors), (after, same) = read_tensors(saved), read_tensors(flipped)
        assert before.items() <= after.items()
        assert tiny.same(tensors, same)


@given(st.data())
def test_a_file_that_is_cut_short_is_noticed_whatever_is_left(saved: Path, data: st.DataObject) -> None:
    content = saved.read_bytes()
    cut = saved.with_name("cut.safetensors")
    cut.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    assert find_damage(cut)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


HARM: dict[str, Callable[[Path], Any]] = {
    "flipped": flip,
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "missing": Path.unlink,
}


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_checkpoint_costs_only_what_came_after_the_one_before(
    harm: str, killed: Run, uninterrupted: Run, faces: Faces
) -> None:
    HARM[harm](killed.checkpoint)
    watcher = Watcher()
    train_run(killed, faces, watcher)
    (note,) = [words for words in watcher.notes if "the checkpoint before" in words]
    assert note.endswith("the checkpoint before it is sound, and training goes on from its 32 images")
    assert_same_outcome(killed, uninterrupted)


def test_two_damaged_checkpoints_are_refused_in_words_and_left_as_they_are(killed: Run, faces: Faces) -> None:
    for path in (killed.checkpoint, one_before(killed.checkpoint)):
        flip(path)
    before = killed.checkpoint.read_bytes(), killed.log()
    with pytest.raises(RunError, match=r"its checksum .*nor is the one before.* Delete it and checkpoint-before.safe"):
        train_run(killed, faces)
    assert (killed.checkpoint.read_bytes(), killed.log()) == before


def test_there_are_never_more_than_two_checkpoints_and_one_when_all_is_done(
    killed: Run, uninterrupted: Run, faces: Faces
) -> None:
    seen = [read_progress(path).images_seen for path in (killed.checkpoint, one_before(killed.checkpoint))]
    assert seen == [40, 32]
    train_run(killed, faces)
    for run in (killed, uninterrupted):
        assert {path.name for path in run.path.glob("*.safetensors*")} == {
            "best.safetensors",
            "checkpoint.safetensors",
            "weights.safetensors",
        }


def test_a_checkpoint_of_a_newer_version_is_refused_and_the_one_before_it_not_taken(killed: Run, faces: Faces) -> None:
    content, tensors = read_tensors(killed.checkpoint)
    write_tensors(killed.checkpoint, tensors, content | {"format": 2})
    with pytest.raises(RunError, match=r"checkpoint of format 2; this version of mien reads format 1"):
        train_run(killed, faces)
    assert one_before(killed.checkpoint).exists()
    assert killed.log()


def test_a_checkpoint_that_may_not_be_read_is_not_taken_for_a_damaged_one(
    killed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*given: Any) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", denied)
        with pytest.raises(RunError, match=r"checkpoint.safetensors: may not be read \(Permission denied"):
            recover(killed.checkpoint)
    assert one_before(killed.checkpoint).exists()


def test_a_file_from_before_there_were_checksums_is_read(saved: Path, tmp_path: Path) -> None:
    content, tensors = read_tensors(saved)
    safetensors.torch.save_file(tensors, tmp_path / "old", {"mien": json.dumps(content)})
    assert find_damage(tmp_path / "old") == ""
    assert read_progress(tmp_path / "old").images_seen == 8


@pytest.mark.parametrize("weights", ["weights", "best"])
def test_flipped_weights_are_refused_in_words(run_of: Any, weights: str) -> None:
    path = getattr(run_of(ENCODING), weights)
    flip(path)
    with pytest.raises(
        RunError, match=r"weights that cannot be read \(its checksum does not match: the file has changed"
    ):
        load_model(path)


def test_a_judge_whose_checkpoints_are_damaged_is_trained_anew(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = judge_of(faces)
    shutil.copytree(default_cache() / "judges", tmp_path / "judges")
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path))
    for path in (tmp_path / "judges").glob("*.safetensors"):
        flip(path)
        path.with_suffix(".unfinished").write_bytes(b"half")
    assert judge_of(faces).digest == judge.digest
    (sound,) = [path for path in (tmp_path / "judges").glob("*.safetensors") if find_damage(path) == ""]
    assert not sound.with_suffix(".unfinished").exists()


# The best weights, when a training goes back by one checkpoint more

DISTANCES = [99, 9, 8, 7, 6, 5, 7, 8, 4]  # of the snapshots at 0, 8, 16 ... images: the best are at 40 and 64
EVERY_STEP = ("training.snapshot_every_images=8", OFTEN)


@pytest.fixture
def distances(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.measure_distances(monkeypatch, DISTANCES)


@pytest.mark.parametrize(("images", "best"), [(16, None), (24, 8), (48, 32), (64, 40)])
def test_the_best_weights_go_back_with_the_checkpoint_before_the_last(
    images: int, best: int | None, tmp_path: Path, distances: None, faces: Faces
) -> None:
    with pytest.raises(Killed):
        tiny.train(tmp_path / "run", tiny.recipe(ADVERSARIAL, *EVERY_STEP), Watcher(images, kill))
    run = Run.open(tmp_path / "run")
    assert len(run.bests_before()) <= 2
    flip(run.checkpoint)
    if best is None:  # the checkpoint at 8 images is the first
        with pytest.raises(RunError, match=r"Delete it to train from the start"):
            recover(run.checkpoint)
        return
    recover(run.checkpoint)
    rewind_best(run)
    assert seen_by(run.best) == best
    train_run(run, faces)
    whole = tiny.train(tmp_path / "whole", tiny.recipe(ADVERSARIAL, *EVERY_STEP))
    assert run.best.read_bytes() == whole.best.read_bytes()
    assert seen_by(run.best) == 64


# A disk that takes no more


@pytest.fixture
def limited() -> Iterator[Callable[[int], None]]:
    """Let files grow to so many bytes only, as a full disk would."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, usual[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@pytest.mark.parametrize(
    ("what", "images", "most", "often"),
    [
        ("checkpoint", 8, 100, OFTEN),
        ("checkpoint", 32, 100_000, OFTEN),
        ("log", 64, 100, OFTEN),
        ("log", 40, 100, f"name='{ENCODING}'"),
        ("samples", 32, 5_000, f"name='{ENCODING}'"),
    ],
)
def test_a_full_disk_is_said_in_words_and_costs_only_what_was_not_saved(
    what: str,
    images: int,
    most: int,
    often: str,
    tmp_path: Path,
    limited: Callable[[int], None],
    uninterrupted: Run,
    faces: Faces,
) -> None:
    said = rf"{what}.* could not be written .*File too large.*What was there before is unharmed"
    with pytest.raises(RunError, match=said):
        tiny.train(tmp_path / ENCODING, hard(ENCODING, often), Watcher(images, lambda: limited(most)))
    limited(resource.RLIM_INFINITY)
    run = Run.open(tmp_path / ENCODING)
    assert all(find_damage(path) == "" for path in run.path.glob("*.safetensors"))
    train_run(run, faces)
    assert_same_outcome(run, uninterrupted)


def evaluate(run: Run, faces: Faces) -> None:
    evaluate_folder(run.path, names=["sharpness"], again=True)


def report(run: Run, faces: Faces) -> None:
    build_report(run.path, [run], faces, title="A run", skipped={})


def export(run: Run, faces: Faces) -> None:
    export_onnx(run.path, run.path / "model.onnx")


@pytest.mark.parametrize("work", [evaluate, report, export])
def test_what_cannot_be_written_leaves_what_was_there(
    work: Callable[[Run, Faces], None], run_of: Any, tmp_path: Path, limited: Callable[[int], None], faces: Faces
) -> None:
    run = run_of(ADVERSARIAL)
    work(run, faces)

    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    before = content()
    limited(100)
    with pytest.raises(RunError, match=r"written.*File too large"):
        work(run, faces)
    limited(resource.RLIM_INFINITY)
    assert content() == before


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 4 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a disk")
    monkeypatch.setattr("mien.runs.folder.ROOM_NEEDED", 0)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path) -> None:
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free))


def forbid(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


def allow(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    (disk / "filler").unlink(missing_ok=True)


def stopped_by_a_full_disk(disk: Path) -> None:
    with pytest.raises(RunError, match=r"could not be written .*No space left.*then `mien resume` the run"):
        tiny.train(disk / ENCODING, hard(ENCODING, OFTEN), Watcher(32, lambda: fill(disk)))


def killed_before_the_disk_turned_read_only(disk: Path) -> None:
    with pytest.raises(Killed):
        tiny.train(disk / ENCODING, hard(ENCODING, OFTEN), Watcher(32, kill))
    gc.collect()  # what a killed process has open is closed
    forbid(disk)


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (stopped_by_a_full_disk, "No space left"),
        (killed_before_the_disk_turned_read_only, "Read-only file system"),
    ],
)
def test_a_disk_that_is_full_or_read_only_is_said_in_words_and_the_run_goes_on_when_it_is_not(
    stop: Callable[[Path], None], words: str, disk: Path, uninterrupted: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stop(disk)
    assert main(["resume", str(disk / ENCODING)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    allow(disk)
    assert main(["resume", str(disk / ENCODING)]) == 0
    assert_same_outcome(Run.open(disk / ENCODING), uninterrupted)


def test_a_cache_on_a_disk_that_is_read_only_is_said_in_words(disk: Path) -> None:
    forbid(disk)
    with pytest.raises(DataError, match=r"Read-only file system.* Set MIEN_CACHE to a folder that you can write to"):
        open_faces("drawn:16", size=32, cache=disk / "cache")


def test_a_folder_that_vanishes_is_said_in_words_and_goes_on_when_it_is_back(
    tmp_path: Path, uninterrupted: Run, faces: Faces
) -> None:
    run, elsewhere = Run(tmp_path / ENCODING), tmp_path / "elsewhere"
    with pytest.raises(RunError, match=rf"could not be written .*The folder .*{ENCODING} is gone"):
        tiny.train(run.path, hard(ENCODING, OFTEN), Watcher(32, lambda: run.path.rename(elsewhere)))
    shutil.rmtree(run.path, ignore_errors=True)
    elsewhere.rename(run.path)
    train_run(run, faces)
    assert_same_outcome(run, uninterrupted)


# Two at once

AT_ONCE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import tiny
from mien.explorer.latent_cache import latents_of
from mien.faces import open_faces
from mien.judge import judge_of
from mien.runs.weights import load_model

faces = open_faces("drawn:300", size=32)
judge = judge_of(faces)
weights = Path(sys.argv[1])
latents = latents_of(load_model(weights).model, weights, faces, tiny.Watcher(), "mine")
print(faces.fingerprint, judge.digest, latents.means.tobytes().hex())
"""


def started(script: str, *given: object, **environment: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script.format(tests=str(TESTS)), *map(str, given)],
        env=os.environ | {name: str(value) for name, value in environment.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.long
def test_two_processes_that_want_a_pack_a_judge_and_a_map_at_once_both_get_them_and_a_killed_one_locks_nobody_out(
    trained_runs: dict[str, Run], tmp_path: Path
) -> None:
    given = (AT_ONCE, trained_runs[ENCODING].weights)
    first = started(*given, MIEN_CACHE=tmp_path)
    while not list(tmp_path.glob("judges/*.lock")):
        time.sleep(0.05)
    others = [started(*given, MIEN_CACHE=tmp_path) for _ in range(2)]
    time.sleep(1)
    first.kill()
    first.communicate()
    said = [other.communicate(timeout=100)[0] for other in others]
    assert [other.returncode for other in others] == [0, 0]
    assert said[0] == said[1] != ""
    assert all(find_damage(path) == "" for path in tmp_path.glob("judges/*.safetensors"))
    assert len(list(tmp_path.glob("judges/*.safetensors"))) == len(list(tmp_path.glob("explorer/*.npz"))) == 1


MIEN = "import sys; from mien.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.long
def test_of_two_that_start_the_same_run_one_is_refused_in_words(uninterrupted: Run, tmp_path: Path) -> None:
    command = (MIEN, "train", uninterrupted.recipe_file, "--out", tmp_path / ENCODING)
    both = [started(*command), started(*command)]
    said = {one.communicate(timeout=100)[1]: one.returncode for one in both}
    assert sorted(said.values()) == [0, 2]
    (refusal,) = [words for words, code in said.items() if code]
    assert "is in use by another process" in refusal or "holds a run already" in refusal
    assert_same_outcome(Run.open(tmp_path / ENCODING), uninterrupted)


@pytest.mark.long
def test_of_two_that_measure_the_same_run_each_measures_it_or_is_refused_in_words(run_of: Any) -> None:
    run = run_of(ENCODING)
    run.metrics_file.unlink(missing_ok=True)
    command = (MIEN, "evaluate", run.path, "--only", "reconstruction,sharpness")
    both = [started(*command), started(*command)]
    for one in both:
        error = one.communicate(timeout=100)[1]
        assert one.returncode == 0 or "is in use by another process, which trains or measures it" in error
    assert 0 in [one.returncode for one in both]
    assert "test_mse" in run.metrics()


def tell(work: Callable[[], object], said: Any) -> None:
    try:
        work()
        said.send("")
    except MienError as error:
        said.send(str(error))


def at_once(*works: Callable[[], object]) -> list[str]:
    """Do things at the same time, each in a process.  -> '' for what went well, or the words it was refused in"""
    context, ears = multiprocessing.get_context("fork"), []
    for work in works:
        ear, mouth = context.Pipe(duplex=False)
        process = context.Process(target=tell, args=(work, mouth))
        process.start()
        mouth.close()
        ears.append((ear, process))
    said = [ear.recv() for ear, _ in ears]  # an EOFError: something else happened to it
    for _, process in ears:
        process.join()
    return said


def later(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes a little longer, so that two come into each other's way."""
    return lambda *given: time.sleep(0.3) or function(*given)


def test_of_two_that_report_the_same_plan_the_second_waits_and_both_are_right(
    run_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plan(tmp_path, "one", "One", [run_of(ADVERSARIAL).path.name], {})
    monkeypatch.setattr("mien.report.write.Measuring", functools.partial(Measuring, names=["sharpness"]))
    monkeypatch.setattr(Path, "rename", later(Path.rename))
    assert at_once(*[lambda: report_folder(tmp_path)] * 2) == ["", ""]
    assert "</html>" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert not list(tmp_path.glob(".report-*"))


@pytest.fixture
def two(tmp_path: Path) -> Plan:
    """A plan of two recipes."""
    for name in (ENCODING, ADVERSARIAL):
        shutil.copy(Run(tiny_run(tmp_path, name)).recipe_file, tmp_path / f"{name}.toml")
    recipes = json.dumps([f"{name}.toml" for name in (ENCODING, ADVERSARIAL)])
    (tmp_path / "two.toml").write_text(f'name = "two"\ntitle = "Two"\nrecipes = {recipes}\n')
    return load_plan(tmp_path / "two.toml")


def tiny_run(folder: Path, name: str) -> Path:
    """A run that was started and not trained."""
    return Run.create(folder / f"{name}-alone", tiny.recipe(name), tiny.faces().fingerprint).path


def test_of_two_that_begin_the_same_plan_one_is_refused_in_words(
    two: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "create", later(Run.create))
    well, refused = sorted(at_once(*[lambda: begin_plan(two, out=tmp_path / "plan")] * 2))
    assert well == ""
    assert "holds a plan already. `mien resume" in refused
    assert [run.path.name for run in plan_runs(tmp_path / "plan")] == [ENCODING, ADVERSARIAL]


def test_a_plan_that_was_killed_while_it_was_begun_can_be_begun_again(two: Plan, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("mien.studies.run_plan.write_plan", lambda *given: kill())
        with pytest.raises(Killed):
            begin_plan(two, out=tmp_path / "plan")
    begin_plan(two, out=tmp_path / "plan")
    assert [run.path.name for run in plan_runs(tmp_path / "plan")] == [ENCODING, ADVERSARIAL]


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (report_folder, ""),
        (lambda path: export_onnx(path, path.parent / "model.onnx"), "there are no weights yet"),
        (lambda path: open_site([path]), ""),  # by the best weights so far
    ],
    ids=["report", "export", "explore"],
)
def test_what_looks_at_a_run_that_trains_ends_well_or_is_refused_in_words_and_leaves_the_training_alone(
    look: Callable[[Path], object], words: str, tmp_path: Path, uninterrupted: Run
) -> None:
    said: list[str] = []
    observe = Watcher(48, lambda: said or said.extend(at_once(lambda: look(tmp_path / ENCODING))))
    run = tiny.train(tmp_path / ENCODING, hard(ENCODING, OFTEN), observe)
    assert words in said[0]
    assert bool(said[0]) == bool(words)
    assert_same_outcome(run, uninterrupted)


# Kills at any moment


def test_a_bundle_that_is_killed_at_any_moment_can_be_exported_again(tmp_path: Path) -> None:
    files = {"exhibit.json": b'{"engine": "web"}', "index.html": b"page", f"runs/{ENCODING}/generator.onnx": b"network"}
    files[FILE_LIST] = file_list([*files, FILE_LIST])
    for folder, moment in [(tmp_path / f"site{moment}", moment) for moment in range(1, 6)]:
        for _ in range(2):  # into a new folder, then over that bundle
            with pytest.MonkeyPatch.context() as patched, contextlib.suppress(Killed):
                for name in ("rename", "replace", "mkdir"):
                    patched.setattr(Path, name, tried_at(moment, getattr(Path, name)))
                write_bundle(folder, files)
            assert earlier_files(folder) <= set(files)
            write_bundle(folder, files)
            assert {str(path.relative_to(folder)) for path in folder.rglob("*.*")} == set(files)


def tried_at(moment: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is killed when it is called for so many-th time."""
    calls = iter(range(1, 1000))
    return lambda *given, **named: kill() if next(calls) == moment else function(*given, **named)


def test_what_a_killed_report_left_goes_with_the_next(tmp_path: Path) -> None:
    (tmp_path / ".report-x" / "old").mkdir(parents=True)
    write_report(tmp_path, "<html></html>", {"figure.jpg": b"picture"})
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


# Formats


@pytest.fixture(params=sorted((TESTS / "golden_runs").iterdir()), ids=lambda path: path.name)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """A copy of the run of a format, as it was when that was the current one."""
    return Run.open(shutil.copytree(request.param / "run", tmp_path / "run"))


def test_a_run_of_every_format_so_far_is_sampled_from_measured_reported_and_trained_on(golden: Run) -> None:
    expected = np.asarray(Image.open(TESTS / "golden_runs" / str(golden.provenance().format) / "samples.png"))
    made = grid(open_run(golden.path).sample(4, seed=1), columns=4)
    assert np.abs(made.astype(int) - expected).max() <= 2
    mse = golden.metrics()["test_mse"]["value"]
    assert main(["evaluate", str(golden.path), "--only", "reconstruction", "--again"]) == 0
    assert golden.metrics()["test_mse"]["value"] == pytest.approx(mse, rel=1e-3)
    assert main(["report", str(golden.path)]) == 0
    assert main(["resume", str(golden.path), "training.steps=10"]) == 0
    assert load_model(golden.weights).images_seen == 80


@pytest.fixture
def golden_folder(golden: Run, tmp_path: Path) -> Path:
    """A copy of all that is kept of a format: a plan's folder, and exported files."""
    return shutil.copytree(TESTS / "golden_runs" / str(golden.provenance().format), tmp_path / "golden")


def test_a_plan_of_every_format_so_far_is_opened(golden_folder: Path) -> None:
    assert [run.path.name for run in plan_runs(golden_folder)] == ["run"]
    site = open_site([golden_folder])
    assert (site.manifest.title, len(site.manifest.runs)) == ("A plan of format 1", 1)


def test_an_export_of_every_format_so_far_draws_the_faces_of_its_run(golden_folder: Path) -> None:
    expected = np.asarray(Image.open(golden_folder / "samples.png"))
    made = grid(open_run(golden_folder / "model.onnx").sample(4, seed=1), columns=4)
    assert np.abs(made.astype(int) - expected).max() <= 2
    assert main(["sample", str(golden_folder / "model.onnx"), "--out", str(golden_folder / "made.png")]) == 0


NEWER = [["resume"], ["report"], ["evaluate"], ["explore", "--no-browser"], ["export", "--to", "web", "site"]]


@pytest.mark.parametrize("command", NEWER, ids=lambda command: command[0])
def test_a_plan_of_a_newer_format_is_refused_in_words_and_left_as_it_is(
    command: list[str], golden_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(golden_folder.parent)
    content = json.loads((golden_folder / "plan.json").read_text()) | {"format": 2}
    (golden_folder / "plan.json").write_text(json.dumps(content))
    assert main([command[0], str(golden_folder), *command[1:]]) == 2
    assert "is a plan of format 2; this version of mien reads format 1" in capsys.readouterr().err
    assert json.loads((golden_folder / "plan.json").read_text()) == content


# The same again


def test_the_number_of_processes_that_pack_does_not_change_the_weights(faces: Faces, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for row in range(64):
        Image.fromarray(faces.images[row]).save(pictures / f"{row}.png")
    weights = []
    for workers in (1, 2, 3):
        packed = open_faces(pictures, size=32, cache=tmp_path / f"cache{workers}", workers=workers)
        tiny.trainer(tiny.model(ADVERSARIAL), tmp_path, checkpoint=f"{workers}.st", some_faces=packed, steps=4).run()
        weights.append(tiny.tensors(tmp_path / f"{workers}.st"))
    assert tiny.same(weights[0], weights[1])
    assert tiny.same(weights[0], weights[2])


def test_the_checksum_is_that_of_names_shapes_values_and_numbers() -> None:
    one = {"a": torch.zeros(2, 3), "b": torch.ones(1)}
    others = [
        {"a": torch.zeros(3, 2), "b": torch.ones(1)},
        {"a": torch.zeros(2, 3), "c": torch.ones(1)},
        {"a": torch.zeros(2, 3), "b": torch.ones(1, dtype=torch.int32)},
        {"b": torch.ones(1)},
    ]
    sums = {checksum(tensors, {"format": 1}) for tensors in (one, *others)}
    assert len(sums | {checksum(one, {"format": 2})}) == 6
