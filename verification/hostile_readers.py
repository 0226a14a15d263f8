"""What hostile input is given to: the functions and commands of mien that read what comes from elsewhere.

`READERS` is the table; the cases name them, and the fuzzers try those whose input is one file.
"""

import io
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np

import tiny
from hostile_case import Reader, Refused
from mien import open_run
from mien.cli import main
from mien.cli.terminal import table_of_numbers
from mien.explorer import requests
from mien.explorer.manifest import ShownNumber, ShownRun, Snapshot
from mien.explorer.shown_numbers import numbers
from mien.explorer.site import open_site
from mien.export.runtime import open_exported
from mien.faces import Faces, open_faces
from mien.faces.pack.statistics import lines
from mien.faces.source.decode import BadPicture, decode, quiet, read_picture
from mien.faces.source.listing import list_source, reader
from mien.faces.source.readers import read_layout
from mien.faces.source.tables import label, parse, parse_partition
from mien.recipes.recipe import Recipe, load_recipe, to_toml, with_source
from mien.report import health_pictures, loss_curves
from mien.report.number_tables import by_attribute, tabulate
from mien.report.run_section import open_chapter
from mien.runs.folder import Run, log_line
from mien.runs.plan_folder import PLAN_FILE, plan_runs, read_plan
from mien.sessions.measure import Measuring, measure_run, measure_runs
from mien.sessions.train import require_runnable, train_run
from mien.studies import Budget
from mien.studies.plan import load_plan, plan_recipes
from mien.studies.recipes_of_arms import arms_of, load_study
from mien.studies.run_plan import evaluate_folder
from mien.training.checkpoint import read_progress

COUNT = 20  # sound pictures beside the hostile ones
NAMES = [f"{at:03d}.png" for at in range(COUNT)]
FACES = replace(tiny.noise_faces(), card={"source": "noise", "crop_rule": "square"})
MODEL = tiny.model(tiny.ENCODING)
SHAPES = {
    "run": ShownRun(
        **{"id": "run", "name": "run", "model": tiny.ENCODING, "image_size": 32, "latent_dim": 8},
        **{
            "combinations": [],
            "encodes": True,
            "prior": True,
            "snapshots": [Snapshot(id="last", images_seen=0)],
            "directions": [],
        },
        **{"attributes": ["a", "b"], "map": None, "film": [], "numbers": [], "report": None, "onnx": None, "notes": []},
    )
}


# Pictures, tables and folders of them


def picture(path: Path) -> None:
    """A picture, decoded."""
    with quiet():
        image, _ = decode(path.read_bytes(), 32, "square")
    assert image.shape == (32, 32, 3)
    assert image.dtype == np.uint8


def photograph(path: str | Path) -> None:
    """A picture to reconstruct."""
    read_picture(Path(path), 32)


def packed(source: Path | str, skip_bad: bool, table: str | None = None) -> Faces:
    """Faces of a source, whose card can be printed."""
    faces = open_faces(source, size=32, skip_bad=skip_bad, attributes_table=table)
    assert faces.images.shape[1:] == (32, 32, 3)
    assert all(line.isprintable() for line in lines(faces.card))
    return faces


def faces(source: Path | str, table: str | None = None) -> int:
    """-> how many faces, bad files being skipped"""
    return len(packed(source, True, table).files)


def faces_and_bad_files(source: Path | str) -> tuple[int, int]:
    """-> how many faces, how many files could not be used"""
    found = packed(source, True)
    return len(found.files), found.card["bad"]["count"]


def every_file(source: Path | str) -> int:
    """-> how many files were used, or counted among the bad ones, of which some are there"""
    found = packed(source, True)
    assert any("files could not be used" in caveat for caveat in found.card["caveats"])
    return len(found.files) + int(found.card["bad"]["count"])


def faces_without_leave(source: Path | str) -> None:
    """A source, no file of which may be bad."""
    packed(source, False)


def pack(path: Path) -> None:
    """A pack of somebody else, as a source."""
    open_faces(path, size=32)


def archive(path: Path) -> None:
    """A .zip: what is in it, its table, and every member's bytes."""
    listing = list_source(path)
    read = reader(path)
    for name in listing.pictures:
        try:
            read(name)
        except BadPicture:
            continue
    read_layout(listing, None)


def labels(content: bytes, names: Sequence[str]) -> tuple[tuple[int, ...], int]:
    """A table of attributes.  -> their shape and sum"""
    values = label(parse(content, "t.csv"), names).values
    return values.shape, int(values.sum())


def table(path: Path) -> None:
    """A table of attributes of twenty pictures."""
    labels(path.read_bytes(), NAMES)


def partition(path: Path) -> None:
    """A list of which picture is in which part."""
    parse_partition(path.read_bytes(), "t.txt", NAMES)


# Recipes, plans and studies


def recipe(path: str | Path, overrides: Sequence[str] = ()) -> None:
    """A recipe, and what is done with it before anything is trained."""
    read: Recipe = load_recipe(path, overrides)
    require_runnable(read)
    read.training.total_images(160, 4)
    to_toml(with_source(read, read.data.source))


def plan(path: str | Path) -> None:
    """A plan and the recipes that it names."""
    plan_recipes(load_plan(path))


def study(path: str | Path) -> None:
    """A study and its arms."""
    read = load_study(path)
    arms_of(read, read.budgets.get("quick", Budget()))


# What a run leaves


def weights(path: Path) -> None:
    """Weights, with which faces are drawn."""
    trained = open_run(path)
    assert trained.sample(2).shape == (2, 32, 32, 3)
    assert f"{trained.images_seen:,}"


def export(path: Path) -> None:
    """An exported model, with which faces are drawn."""
    exported = open_exported(path, threads=1)
    assert exported.sample(2).shape == (2, exported.image_size, exported.image_size, 3)
    assert f"{exported.images_seen:,}"


def checkpoint(path: Path) -> None:
    """What a checkpoint says of how far a training has come."""
    read_progress(path)


def run_log(path: Path) -> None:
    """The log of a run, with sound lines among others: read, drawn and gone on with."""
    run = Run(path)
    log = run.log()
    assert len(log) >= 2
    loss_curves.panels(log, MODEL)
    health_pictures.read_turns(log)
    assert all(np.isfinite(line.get("seconds", 0.0)) for line in log)
    run.rewind_log(100)


def log_lines(path: Path) -> None:
    """Lines of a log."""
    for line in path.read_bytes().split(b"\n"):
        log_line(line)


def run_numbers(path: Path) -> None:
    """A run's metrics.json: the report, the explorer and the terminal show those that are numbers."""
    metrics = Run(path.parent).metrics()
    tabulate([metrics])
    by_attribute(metrics)
    assert numbers(metrics) == [ShownNumber.model_validate_json(shown.model_dump_json()) for shown in numbers(metrics)]
    table_of_numbers({"run": metrics}, lambda name: True)


def run_folder(path: Path) -> None:
    """A run's folder, or a plan's."""
    run = Run.open(path)
    run.recipe()
    run.divergence()
    if (path / PLAN_FILE).exists():
        plan_runs(path)


def plan_folder(path: Path) -> None:
    """A plan's folder."""
    read_plan(path.parent)
    plan_runs(path.parent)


def sample(path: Path) -> int:
    """-> how many faces of one came"""
    return len(open_run(path).sample(1))


def report(path: Path) -> None:
    """What the report reads of a run; its pictures take longer than a case may."""
    run = Run.open(path)
    measure_runs([run], Measuring(FACES, names=()))
    chapter = open_chapter(run, 1)
    health_pictures.read_turns(run.log())
    assert chapter.effort is not None
    run.divergence()


def resume(path: Path) -> None:
    """Training that goes on."""
    train_run(Run.open(path), FACES)


def explore(path: Path) -> None:
    """What the explorer shows of a run or a plan."""
    open_site([path])


def evaluate(path: Path) -> None:
    """A run that is measured."""
    measure_run(Run.open(path), Measuring(FACES, names=()))


def evaluate_plan(path: Path) -> None:
    """A plan, all of whose runs are measured."""
    evaluate_folder(path)


def request(path: Path) -> None:
    """What the explorer's page asks for."""
    try:
        asked = requests.parse(path.read_bytes(), SHAPES)
        requests.latents(asked)
        requests.picture(asked)
    except requests.Refused:
        return


# The command line


def command_line(*arguments: str) -> None:
    """`mien` with these arguments.

    Raises: Refused with the line that was printed, where the exit code is 2.
    """
    said = io.StringIO()
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        code = main(list(arguments))
    assert code in (0, 2), f"exit code {code}: {said.getvalue()[-1000:]}"
    assert all(line.isprintable() and "Traceback" not in line for line in said.getvalue().splitlines())
    if code == 2:
        raise Refused(said.getvalue().splitlines()[-1])


READERS: dict[str, Reader] = {
    "a picture": Reader(picture, "picture"),
    "a photograph": Reader(photograph),
    "faces": Reader(faces, "a.zip"),
    "faces and bad files": Reader(faces_and_bad_files),
    "every file": Reader(every_file),
    "faces without leave": Reader(faces_without_leave),
    "a pack": Reader(pack),
    "a .zip": Reader(archive, "a.zip"),
    "labels": Reader(labels),
    "a table": Reader(table, "t.csv"),
    "a partition": Reader(partition, "t.txt"),
    "a recipe": Reader(recipe, "r.toml"),
    "a plan": Reader(plan, "p.toml"),
    "a study": Reader(study, "s.toml"),
    "weights": Reader(weights, "w.safetensors"),
    "an export": Reader(export, "a.onnx"),
    "a checkpoint": Reader(checkpoint, "checkpoint.safetensors"),
    "a log": Reader(run_log),
    "log lines": Reader(log_lines, "log.jsonl"),
    "numbers": Reader(run_numbers, "metrics.json"),
    "a run's folder": Reader(run_folder),
    "a plan's folder": Reader(plan_folder, "plan.json"),
    "sample": Reader(sample),
    "report": Reader(report),
    "resume": Reader(resume),
    "explore": Reader(explore),
    "evaluate": Reader(evaluate),
    "evaluate a plan": Reader(evaluate_plan),
    "a request": Reader(request, "request.json"),
    "mien": Reader(command_line),
}
