"""The command line: what each command does, and one clear line and exit code 2 for each mistake."""

import os
import re
import subprocess
import sys
from collections import namedtuple
from contextlib import suppress
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import mien
import tiny
from awkward import numbered, write
from mien.cli import build_parser, doctor, main
from mien.cli.terminal import Terminal, table_of_numbers
from mien.cli.training_commands import overrides_of
from mien.cli.viewing_commands import save_picture
from mien.models import MODELS, model_class
from mien.runs import folder
from mien.runs.folder import Run
from mien.runs.score import Score
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING

COMMANDS = build_parser()[1]
NARROW = ("model.width=4", "model.latent_dim=8", "training.batch_size=8", "training.steps=2", "training.device=cpu")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


PROGRESS = re.compile(r"%|^faces of ")


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a mistake is answered with."""
    assert main(arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not PROGRESS.search(line)]
    assert len(lines) == 1
    assert lines[0].startswith("mien: ")
    return lines[0].removeprefix("mien: ")


def matches(text: str, *parts: str) -> bool:
    return all(part in text for part in parts)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


# Help


def test_mien_alone_prints_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert matches(capsys.readouterr().out, *COMMANDS)


def test_there_is_a_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"mien {mien.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example_that_parses(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    shown = capsys.readouterr().out
    examples = [line.split()[1:] for line in shown.split("example:\n")[1].splitlines()]
    assert examples
    for name, *arguments in examples:
        assert name == command
        COMMANDS[command].parse_intermixed_args(arguments)


@pytest.mark.parametrize("arguments", [["trian"], ["run", "--nosuch"], ["sample"], ["data", "look"], ["--debug"]])
def test_words_that_are_no_command_or_option_end_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)


# What the commands do


def test_run_trains_measures_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--data", tiny.SOURCE, "--out", "plan", "--seed", "3", *NARROW]) == 0
    shown = capsys.readouterr().out
    assert matches(shown, "baseline_mean_face_mse", "sharpness_samples", "report: plan/report/report.html")
    assert Run.open(f"plan/{ADVERSARIAL}").recipe().training.seed == 3
    assert main(["report", "plan"]) == 0
    assert main(["resume", "plan"]) == 0
    assert main(["resume", "plan", "training.steps=9"]) == 2


def test_train_and_resume_say_where_the_run_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "gan-quick", "training.steps=1", "--data", tiny.SOURCE, "--out", "mine", *NARROW]) == 0
    assert main(["resume", "mine", "training.steps=3"]) == 0
    assert capsys.readouterr().out == 2 * "trained: mine    next: mien sample mine\n"
    assert mien.open_run("mine").images_seen == 24


def test_a_run_without_a_name_is_called_after_the_time(tmp_path: Path) -> None:
    assert main(["train", "gan-quick", "--data", tiny.SOURCE, *NARROW]) == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith(f"{ADVERSARIAL}-20")


def test_the_faces_of_a_recipe_are_taken_unless_others_are_given(tmp_path: Path) -> None:
    recipe = tiny.recipe(ADVERSARIAL, "data.source=drawn:150", "training.steps=1")
    (tmp_path / "mine.toml").write_text(folder.to_toml(recipe))
    assert main(["train", "mine.toml", "--out", "one"]) == 0
    assert main(["train", "mine.toml", "--out", "two", "--data", tiny.SOURCE]) == 0
    assert [Run.open(name).recipe().data.source for name in ("one", "two")] == ["drawn:150", tiny.SOURCE]


def test_options_are_overrides_of_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").touch()
    arguments = ["vae-quick", "--size", "64", "--crop", "1,2,3,4", "--attributes", "a.csv", "--skip-bad", "--seed", "5"]
    given = overrides_of(COMMANDS["train"].parse_intermixed_args([*arguments, "training.steps=1"]))
    assert given == [
        "data.size=64",
        "data.crop=[1,2,3,4]",
        f'data.attributes_table="{tmp_path}/a.csv"',
        "data.skip_bad=true",
        "training.seed=5",
        "training.steps=1",
    ]
    within = overrides_of(COMMANDS["train"].parse_intermixed_args(["vae-quick", "--attributes", "in/the.zip.csv"]))
    assert within == ['data.attributes_table="in/the.zip.csv"']


def test_sample_writes_a_grid_of_the_attributes_that_were_set(trained_runs: dict[str, Run], tmp_path: Path) -> None:
    run = trained_runs[CONDITIONAL]
    assert main(["sample", str(run.path), "--count", "10", "--set", "Male=1", "Smiling=0", "--out", "faces.png"]) == 0
    grid = pixels(tmp_path / "faces.png")
    assert grid.shape == (2 * 34 - 2, 8 * 34 - 2, 3)
    expected = mien.open_run(run.path).sample(10, attributes={"Male": 1, "Smiling": 0})
    assert (grid[:32, :32] == expected[0]).all()


def test_reconstruct_puts_originals_over_reconstructions(trained_runs: dict[str, Run], tmp_path: Path) -> None:
    write(tmp_path, "me.png", "you.jpg")
    assert main(["reconstruct", str(trained_runs[ENCODING].path), "me.png", "you.jpg", "--out", "both.png"]) == 0
    both = pixels(tmp_path / "both.png")
    assert both.shape == (2 * 34 - 2, 2 * 34 - 2, 3)
    with Image.open(tmp_path / "me.png") as original:
        assert (both[:32, :32] == np.asarray(original.resize((32, 32), Image.Resampling.LANCZOS))).all()


def test_data_shows_packs_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str], faces: Any) -> None:
    assert main(["data", "show", tiny.SOURCE, "--size", "32", "--out", "sheet.png"]) == 0
    assert main(["data", "pack", tiny.SOURCE, "--size", "32"]) == 0
    assert main(["data", "verify", tiny.SOURCE, "--size", "32"]) == 0
    assert main(["data", "draw", "--count", "3", "--size", "32", "--out", "drawn.png"]) == 0
    assert matches(
        capsys.readouterr().out,
        "Male",
        f"packed: 200 faces of drawn:200, fingerprint {faces.fingerprint}",
        "undamaged: 200",
    )
    assert pixels(tmp_path / "drawn.png").shape == (32, 3 * 34 - 2, 3)
    assert (tmp_path / "sheet.png").exists()


def test_doctor_names_versions_devices_and_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "SIDE", 64)
    monkeypatch.setattr(doctor, "PACKAGES", ("torch", "no-such-package"))
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert matches(
        shown, mien.__version__, "torch", "trains on", "GFLOP/s", "missing: pip install no-such-package", "GiB"
    )


def test_evaluate_measures_what_is_asked_for_and_prints_it(run_of: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(CONDITIONAL)
    assert main(["evaluate", str(run.path), "--only", "sharpness,judge"]) == 0
    shown = capsys.readouterr().out
    assert matches(shown, "judge_accuracy_Male", "sharpness_samples")
    assert "flip_rate" not in shown
    before = run.metrics_file.stat().st_mtime_ns
    assert main(["evaluate", str(run.path), "--only", "sharpness"]) == 0
    assert run.metrics_file.stat().st_mtime_ns == before
    assert main(["evaluate", str(run.path), "--only", "sharpness", "--again"]) == 0
    assert run.metrics_file.stat().st_mtime_ns > before


def test_a_metric_there_is_not_is_refused_with_the_nearest(run_of: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run_of(ADVERSARIAL).path), "--only", "sharpnes"]) == 2
    assert matches(capsys.readouterr().err, "'sharpnes' is not a metric", "Did you mean 'sharpness'")


def test_weights_of_inception_that_are_not_there_are_refused(run_of: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run_of(ADVERSARIAL).path), "--inception", "nowhere.onnx"]) == 2
    assert "nowhere.onnx" in capsys.readouterr().err


def test_names_of_numbers_are_not_cut_short_in_a_narrow_terminal() -> None:
    file, score = StringIO(), Score(0.1234, 0.1, 0.2)
    table = table_of_numbers({run: {"baseline_mean_face_psnr": score} for run in ("one", "other", "third")}, bool)
    Console(file=file, width=80).print(table)
    assert "baseline_mean_face_psnr" in file.getvalue()


def test_a_log_file_gets_a_line_now_and_then_and_no_bars() -> None:
    file = StringIO()
    with Terminal(Console(file=file)) as terminal:
        for done in range(101):
            terminal.work("packing", done, 100)
    assert file.getvalue().splitlines() == ["packing: 0 %  0 of 100", "packing: 100 %  100 of 100"]


# Mistakes


def test_a_path_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        ["run", "--data", "nowhere"],
        ["train", "vae-quick", "--data", "nowhere"],
        ["data", "show", "nowhere"],
    ):
        assert "nowhere" in mistake(capsys, *command)


def test_a_folder_without_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert matches(mistake(capsys, "run", "--data", "empty"), "empty", "no pictures")


def test_too_few_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "few", *numbered(3))
    assert matches(mistake(capsys, "run", "--data", "few"), "too few images: 3")


def test_a_table_that_matches_no_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "faces", *numbered(40))
    (tmp_path / "table.csv").write_text("file,Male\nx.png,1\ny.png,0\n")
    text = mistake(capsys, "run", "--data", "faces", "--attributes", "table.csv")
    assert matches(text, "table.csv", "no row matches a picture", "'x.png'")


def test_one_label_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "faces", *numbered(40))
    text = mistake(capsys, "train", "acgan-quick", "--data", "faces", "--out", "run")
    others = " or a ".join(name for name in MODELS if not tiny.has_attributes(name))
    assert matches(text, f"{CONDITIONAL} cannot be trained", "needs an attribute", f"Train a {others}")


def test_an_unknown_attribute(capsys: pytest.CaptureFixture[str]) -> None:
    text = mistake(capsys, "train", "acgan-quick", "--data", tiny.SOURCE, "model.attributes=['Smilling']")
    assert matches(text, "no attribute 'Smilling'. Did you mean 'Smiling'?", "Attributes here: Male")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["train", "vae-quick"[:-1]], ["vae-quick"[:-1], "Did you mean 'vae-quick'?"]),
        (["run", "--plan", "quik"], ["quik", "Did you mean 'quick'?"]),
        (["train", "vae-quick", "training.epoch=1"], ["training.epoch is not a key. Did you mean 'epochs'?"]),
        (["train", "vae-quick", "training.epochs=many"], ["training.epochs is 'many'", "valid number"]),
        (["run", "training.sede=1"], ["training.sede is not a key. Did you mean 'seed'?"]),
        (["train", "vae-quick", "--crop", "1,2"], ["data.crop is [1, 2]", "left, top, right, bottom"]),
        (["data", "show", "--crop", "middle"], ["crop is '[middle]'", "left, top, right, bottom"]),
        (["data", "draw", "--count", "0"], ["count of 0"]),
        (["data", "draw", "drawn:9"], ["data draw: PATH has no effect there. Leave it out"]),
        (["data", "pack", "drawn:9", "--out", "x.png"], ["data pack: --out has no effect there"]),
        (["data", "show", "drawn:many"], ["drawn:many"]),
    ],
    ids=str,
)
def test_a_mistake_in_a_recipe_or_an_option(
    arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert matches(mistake(capsys, *arguments), *parts)


def test_an_image_size_the_network_cannot_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = mistake(capsys, "train", "gan-quick", "model.depth=5", "--data", tiny.SOURCE, "--out", "run")
    assert matches(text, "32 x 32 pixels cannot be halved 5 times", "Use a depth of 1 to 4")
    assert not (tmp_path / "run").exists()


def test_no_room_on_the_disk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], faces: Any) -> None:
    monkeypatch.setattr(folder.shutil, "disk_usage", lambda path: namedtuple("usage", "free")(2**20))
    text = mistake(capsys, "train", "gan-quick", "--data", tiny.SOURCE, "--out", "run")
    assert matches(text, "the disk has 0.0 GiB free", "Make room")


def test_a_disk_that_becomes_full_meanwhile(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], run_of: Any
) -> None:
    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    run = run_of(ADVERSARIAL)
    monkeypatch.setattr(Run, "append_log", full)
    text = mistake(capsys, "resume", str(run.path), "training.steps=20")
    assert "No space left on device" in text
    monkeypatch.undo()
    assert main(["resume", str(run.path)]) == 0


def test_a_run_in_use_or_of_another_version(run_of: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(ADVERSARIAL)
    with run.locked():
        assert "is in use by another process" in mistake(capsys, "resume", str(run.path), "training.steps=20")
    run.provenance_file.write_text('{"format": 9}')
    assert "is a run of format 9" in mistake(capsys, "sample", str(run.path))


def test_mistakes_in_sampling(trained_runs: dict[str, Run], capsys: pytest.CaptureFixture[str]) -> None:
    run = str(trained_runs[CONDITIONAL].path)
    assert "is not a run folder" in mistake(capsys, "sample", "nowhere")
    assert "Did you mean 'Smiling'?" in mistake(capsys, "sample", run, "--set", "Smilling=1")
    assert "expected NAME=VALUE" in mistake(capsys, "sample", run, "--set", "Male")
    assert "the count is 1 or more" in mistake(capsys, "sample", run, "--count", "0")
    assert "seed 0 or more" in mistake(capsys, "sample", run, "--seed", "-1")
    assert "cannot be written" in mistake(capsys, "sample", run, "--out", "nowhere/faces.png")
    assert "cannot be written" in mistake(capsys, "sample", run, "--out", "faces.docx")


def test_a_picture_that_cannot_be_written_whole_leaves_the_old_one(
    trained_runs: dict[str, Run], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(image: Image.Image, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    Path("faces.png").write_text("old")
    monkeypatch.setattr(Image.Image, "save", half)
    assert "No space left" in mistake(capsys, "sample", str(trained_runs[ENCODING].path), "--out", "faces.png")
    assert Path("faces.png").read_text() == "old"
    assert [path.name for path in Path().glob("faces*")] == ["faces.png"]


def test_mistakes_in_reconstructing(
    trained_runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "me.png")
    (tmp_path / "notes.txt").write_text("no picture")
    encoding, adversarial = (str(trained_runs[name].path) for name in (ENCODING, ADVERSARIAL))
    title = model_class(ADVERSARIAL).title
    text = mistake(capsys, "reconstruct", adversarial, "me.png")
    assert f"the {title} has no encoder, so it cannot take a picture" in text
    text = mistake(capsys, "reconstruct", encoding, "me.png", "notes.txt")
    assert matches(text, "notes.txt: cannot be used: not a picture that Pillow can read", "Give a JPEG, a PNG")
    assert "nowhere.png: cannot be used: No such file" in mistake(capsys, "reconstruct", encoding, "nowhere.png")


def test_mistakes_in_going_on(run_of: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not a run folder" in mistake(capsys, "resume", "nowhere")
    assert "is not a run folder" in mistake(capsys, "report", "nowhere")
    run = str(run_of(ADVERSARIAL).path)
    assert "only training.steps or training.epochs" in mistake(capsys, "resume", run, "training.seed=1")


@pytest.mark.parametrize(
    "name", [".", "/", "faces", "faces.psd", "faces.fli", "faces.docx", "folder.png", "me.png/x.png"]
)
def test_a_picture_is_not_written_where_none_can_be(
    name: str, trained_runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "me.png")
    (tmp_path / "folder.png").mkdir()
    encoding = str(trained_runs[ENCODING].path)
    if Path(name).suffix and not Path(name).is_dir():  # else a folder, for a picture each
        assert "cannot be written" in mistake(capsys, "sample", encoding, "--count", "1", "--out", name)
    assert "cannot be written" in mistake(capsys, "reconstruct", encoding, "me.png", "--out", name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.png", "me.png"]


def test_every_format_that_pillow_knows_is_written_or_refused_in_words(tmp_path: Path) -> None:
    for ending in Image.registered_extensions():
        with suppress(mien.errors.RecipeError):
            save_picture(np.zeros((70_000, 2, 3), np.uint8), tmp_path / f"faces{ending}")
    assert {"faces.png", "faces.bmp"} <= {path.name for path in tmp_path.iterdir() if path.stat().st_size > 0}
    assert not list(tmp_path.glob(".mien-*"))


def test_a_picture_is_written_beside_others_and_as_readable_as_they(tmp_path: Path) -> None:
    Path("photo.tmp.png").write_text("somebody's")
    assert main(["data", "draw", "--count", "1", "--out", "photo.png"]) == 0
    assert main(["data", "draw", "--count", "1", "--out", "photo.psd"]) == 2
    assert Path("photo.tmp.png").read_text() == "somebody's"
    assert Path("photo.png").stat().st_mode == Path("photo.tmp.png").stat().st_mode


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "nowhere", "--count", "100000000"],
        ["data", "draw", "--count", "5000000", "--size", "128"],
        ["data", "show", "--count", "10001"],
        ["reconstruct", "nowhere", *["me.png"] * 5001],
    ],
    ids=lambda arguments: arguments[0],
)
def test_more_faces_than_a_picture_holds(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "one picture holds 10,000 at most" in mistake(capsys, *arguments)


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let whatever opens a run end with an error."""

    def fail(*given: Any, **named: Any) -> None:
        raise error

    monkeypatch.setattr("mien.open_run", fail)
    monkeypatch.setattr(Run, "open", fail)


def test_an_error_of_the_machine_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, MemoryError("2 GiB"))
    assert matches(
        mistake(capsys, "sample", "run"), "needs more memory than this machine has", "(2 GiB)", "Ask for less"
    )
    raising(monkeypatch, PermissionError(13, "Permission denied", "run/" + "long" * 1000))
    assert matches(mistake(capsys, "sample", "run"), "run/longlong", "that you may read and write it")
    assert mistake(capsys, "resume", "run").endswith("`mien resume` goes on with it")


def test_a_log_that_cannot_be_read_is_found_before_anything_is_measured(
    run_of: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(ADVERSARIAL)
    run.log_file.unlink()
    run.log_file.mkdir()
    assert matches(mistake(capsys, "report", str(run.path)), f"{run.log_file}: is a folder, not a regular file")
    assert not run.metrics_file.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "vae-quick", "--out", ""],
        ["run", "--out", ""],
        ["study", "kl-weight", "--out", ""],
        ["compare", "a", "b", "--out", ""],
        ["sample", "run", "--out", ""],
        ["data", "draw", "--out", ""],
        ["export", "run", "--to", "web", ""],
        ["train", "vae-quick", "--data", ""],
        ["resume", ""],
    ],
    ids=" ".join,
)
def test_an_empty_path_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "is empty. Give a path" in capsys.readouterr().err


def test_a_folder_is_a_runs_or_a_plans_and_not_both(run_of: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(run_of(ADVERSARIAL).path)
    for command in (["run", "--data", tiny.SOURCE], ["study", "kl-weight", "--data", tiny.SOURCE, "--size", "32"]):
        text = mistake(capsys, *command, "--out", run, "training.device=cpu")
        assert matches(text, "holds a run already", f"`mien resume {run}`")
    Path("plan").mkdir()
    Path("plan/plan.json").touch()
    assert "is the folder of a plan" in mistake(capsys, "train", "gan-quick", "--data", tiny.SOURCE, "--out", "plan")
    assert not Path("plan/recipe.toml").exists()


def test_a_command_that_is_to_be_copied_takes_a_path_with_spaces(
    run_of: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of(ADVERSARIAL).path.rename("my run")
    assert main(["resume", "my run"]) == 0
    assert "next: mien sample 'my run'\n" in capsys.readouterr().out
    given = ["train", "gan-quick", "--data", tiny.SOURCE, "--out", "my run"]
    assert "`mien resume 'my run'`" in mistake(capsys, *given)
    Path("my run/weights.safetensors").unlink()
    assert "`mien resume 'my run'`" in mistake(capsys, "sample", "my run")


# Output


ESCAPE = "\x1b[31m"


def test_names_do_not_act_on_the_terminal(
    trained_runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / f"faces{ESCAPE}", *numbered(40))
    for action in ("show", "pack", "verify"):
        assert main(["data", action, f"faces{ESCAPE}", "--size", "32"]) == 0
    assert main(["sample", str(trained_runs[ADVERSARIAL].path), "--count", "1", "--out", f"{ESCAPE}.png"]) == 0
    assert main(["train", "gan-quick", "--data", tiny.SOURCE, "--out", f"run{ESCAPE}", *NARROW]) == 0
    with pytest.raises(SystemExit, match="2"):
        main(["data", "show", "--x", ESCAPE])
    shown = "".join(capsys.readouterr())
    assert "\x1b" not in shown
    assert shown.count("\\x1b[31m") >= 6


def closed() -> TextIOWrapper:
    """A pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


def full() -> TextIOWrapper:
    return open("/dev/full", "w")  # noqa: PTH123


@pytest.mark.parametrize("output", [closed, full])
def test_a_training_goes_on_when_nobody_listens(output: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with output() as out, output() as err:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        assert main(["train", "gan-quick", "--data", tiny.SOURCE, "--out", "run", *NARROW]) == 0
    assert Run.open("run").weights.exists()


@pytest.mark.parametrize("output", [closed, full])
def test_an_error_that_nobody_can_read_ends_with_2(output: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with output() as err:
        monkeypatch.setattr(sys, "stderr", err)
        assert main(["sample", "nowhere"]) == 2


def test_a_reader_who_leaves_is_no_error_and_a_full_disk_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], faces: Any
) -> None:
    with closed() as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert main(["data", "show", tiny.SOURCE, "--size", "32"]) == 0
    with full() as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert "No space left" in mistake(capsys, "data", "show", tiny.SOURCE, "--size", "32")


def test_the_interpreter_ends_in_silence_when_nobody_listens() -> None:
    with closed() as out:
        program = [sys.executable, "-m", "mien", "--help"]
        ended = subprocess.run(program, stdout=out, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_an_encoding_that_lacks_a_letter_shows_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "faces", *numbered(40))
    rows = "".join(f"{name},{index % 2}\n" for index, name in enumerate(numbered(40)))
    Path("table.csv").write_text(f"file,Ł\n{rows}", encoding="utf-8")
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, "latin-1"))
    assert main(["data", "show", "faces", "--size", "32", "--attributes", "table.csv"]) == 0
    assert b"\\u0141" in written.getvalue()


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(mien.errors.RunError):
        main(["sample", "nowhere", "--debug"])


def test_a_stop_is_no_traceback_and_promises_to_go_on_only_with_what_can(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    assert main(["sample", "run"]) == main(["report", "run"]) == 130
    assert capsys.readouterr().err == "mien: stopped\n" * 2
    assert main(["resume", "run"]) == 130
    assert capsys.readouterr().err == "mien: stopped; what was written is kept, and `mien resume` goes on with it\n"
