"""What the commands do: one thin function each. Rooms are imported inside them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import RecipeError

if TYPE_CHECKING:
    from mien.plans import PlanResult
    from mien.plans.studies import StudyResult

MEANINGLESS = {  # options of `mien data` that one of its actions has no use for
    "show": ("seed",),
    "pack": ("seed", "count", "out"),
    "draw": ("path", "crop", "attributes", "skip_bad"),
}


def overrides_of(args: argparse.Namespace) -> list[str]:
    """The overrides that options stand for, then those given as key=value."""
    options = [f"data.{key}={value}" for key, value in preparation(args).items()]
    if args.seed is not None:
        options.append(f"training.seed={args.seed}")
    return [*options, *args.overrides]


def preparation(args: argparse.Namespace) -> dict[str, str]:
    """How faces are to be prepared, where an option says so, as TOML values."""
    import json

    values: dict[str, str] = {}
    if args.size:
        values["size"] = str(args.size)
    if args.crop:
        values["crop"] = json.dumps(args.crop) if args.crop == "square" else f"[{args.crop}]"
    if args.attributes:  # absolute, so that a run can be resumed from anywhere; or a name within the source
        table = Path(args.attributes).expanduser()
        values["attributes_table"] = json.dumps(str(table.resolve() if table.exists() else table))
    if args.skip_bad:
        values["skip_bad"] = "true"
    return values


def run(args: argparse.Namespace) -> None:
    """`mien run`"""
    from mien.plans import load_plan, run_plan
    from mien.terminal import Terminal

    with Terminal() as terminal:
        plan = load_plan(args.plan)
        result = run_plan(plan, source=args.data, out=args.out, overrides=overrides_of(args), observer=terminal)
    show_result(result)


def show_result(result: "PlanResult") -> None:
    """The table of a plan's numbers, and where its report is."""
    from rich.console import Console

    from mien.report.meanings import is_headline
    from mien.terminal import table_of_numbers

    Console().print(table_of_numbers(result.metrics, is_headline))
    for name, why in result.skipped.items():
        print(f"{name} was skipped: {why}")
    print(f"report: {result.report}")


def train(args: argparse.Namespace) -> None:
    """`mien train`"""
    from mien.plans.training import start_run, train_run
    from mien.recipe import load_recipe, with_source
    from mien.terminal import Terminal

    recipe = load_recipe(args.recipe, overrides_of(args))
    recipe = with_source(recipe, args.data or recipe.data.source)
    with Terminal() as terminal:
        started, faces = start_run(recipe, args.out, observer=terminal)
        train_run(started, faces, terminal)
    show_trained(started.path)


def show_trained(run: Path) -> None:
    """Where a trained run is; only the first of several processes says so."""
    from mien.hardware import rank

    if rank() == 0:
        print(f"trained: {run}    next: mien sample {run}")


def study(args: argparse.Namespace) -> None:
    """`mien study`"""
    from mien.plans.arms import load_study
    from mien.plans.studies import Length, run_study
    from mien.terminal import Terminal

    with Terminal() as terminal:
        result = run_study(
            load_study(args.study),
            Length(args.budget, args.images, args.seeds),
            source=args.data,
            out=args.out,
            overrides=overrides_of(args),
            processes=args.processes,
            observer=terminal,
        )
    show_study(result)


def show_study(result: "StudyResult") -> None:
    """The verdicts of a study, and where its page is."""
    from rich.console import Console

    from mien.terminal import rows

    if result.answers:
        Console().print(rows("claims", [(answer.verdict, answer.claim.text) for answer in result.answers]))
    for name, why in result.left_out.items():
        print(f"{name} was left out: {why}")
    print(f"page: {result.page}")


def compare(args: argparse.Namespace) -> None:
    """`mien compare`"""
    from mien.plans.comparing import compare_runs
    from mien.terminal import Terminal

    with Terminal() as terminal:
        page = compare_runs(args.runs, out=args.out, names=args.only, observer=terminal)
    print(f"page: {page}")


def resume(args: argparse.Namespace) -> None:
    """`mien resume`"""
    from mien.plans import is_plan, resume_plan
    from mien.plans.studies import is_study, resume_study
    from mien.plans.training import change_length, read_faces, train_run
    from mien.runs import Run
    from mien.terminal import Terminal

    if args.processes != 1 and not is_study(args.folder):
        raise RecipeError(f"--processes {args.processes}: only a study trains several runs at once. Leave it out.")
    if is_plan(args.folder):
        if args.overrides:
            raise RecipeError(
                f"{args.folder}: is a plan; give another length to one of its runs, then resume the plan."
            )
        if is_study(args.folder):
            with Terminal() as terminal:
                finished = resume_study(args.folder, processes=args.processes, observer=terminal)
            show_study(finished)
            return
        with Terminal() as terminal:
            result = resume_plan(args.folder, terminal)
        show_result(result)
        return
    opened = Run.open(args.folder)
    with Terminal() as terminal:
        faces = read_faces(opened.recipe().data, terminal)
        change_length(opened, faces, args.overrides)
        train_run(opened, faces, terminal)
    show_trained(opened.path)


def sample(args: argparse.Namespace) -> None:
    """`mien sample`"""
    from mien import open_run, views

    images = open_run(args.run).sample(args.count, seed=args.seed, attributes=attribute_values(args.set))
    save_picture(views.grid(images, columns=min(8, args.count)), args.out)


def attribute_values(words: list[str]) -> dict[str, float]:
    """{'Male': 1.0} for ['Male=1'].  Raises: RecipeError for words that do not read so."""
    values = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            values[name] = float(value)
        except ValueError:
            raise RecipeError(f"--set {word}: expected NAME=VALUE with a value from 0 to 1, such as Male=1.") from None
    return values


def reconstruct(args: argparse.Namespace) -> None:
    """`mien reconstruct`"""
    import numpy as np

    from mien import open_run, views
    from mien.faces.pictures import read_picture

    trained = open_run(args.run)
    originals = np.stack([read_picture(path, trained.recipe.data.size, trained.crop) for path in args.images])
    both = np.concatenate([originals, trained.reconstruct(originals)])
    save_picture(views.grid(both, columns=len(originals)), args.out)


def save_picture(image: Any, path: Path) -> None:
    """Write a picture in the format its name ends in.  Raises: RecipeError where that cannot be done."""
    from PIL import Image

    try:
        Image.fromarray(image).save(path)
    except (OSError, ValueError) as error:
        raise RecipeError(
            f"--out {path}: cannot be written ({error}). Give a .png or .jpg in a folder that exists."
        ) from error
    print(path)


def evaluate(args: argparse.Namespace) -> None:
    """`mien evaluate`"""
    from rich.console import Console

    from mien.plans import evaluate_folder
    from mien.report.meanings import is_in_a_matrix
    from mien.terminal import Terminal, table_of_numbers

    with Terminal() as terminal:
        metrics = evaluate_folder(
            args.folder,
            names=[name.strip() for name in args.only.split(",") if name.strip()],
            inception=args.inception,
            again=args.again,
            source=args.data,
            observer=terminal,
        )
    Console().print(table_of_numbers(metrics, lambda name: not is_in_a_matrix(name)))


def report(args: argparse.Namespace) -> None:
    """`mien report`"""
    from mien.plans import report_folder
    from mien.plans.studies import is_study, report_study
    from mien.terminal import Terminal

    with Terminal() as terminal:
        if is_study(args.folder):
            written = report_study(args.folder, observer=terminal).page
        else:
            written = report_folder(args.folder, terminal, args.data)
    print(f"report: {written}")


def data(args: argparse.Namespace) -> None:
    """`mien data`"""
    from mien import views
    from mien.faces.card import lines
    from mien.plans.training import read_faces
    from mien.recipe import DataConfig, toml_value, validated
    from mien.terminal import Terminal

    for option in MEANINGLESS[args.action]:
        if getattr(args, option):
            name = "PATH" if option == "path" else f"--{option.replace('_', '-')}"
            raise RecipeError(f"data {args.action}: {name} has no meaning there. Leave it out; see `mien data --help`.")
    count = 48 if args.count is None else args.count
    if args.action == "draw":
        from mien.faces.drawn import draw

        images = draw(count, size=args.size or 64, seed=args.seed or 0).images
        save_picture(views.grid(images, columns=min(12, count)), args.out or Path("drawn.png"))
        return
    asked = {key: toml_value(value) for key, value in preparation(args).items()}
    with Terminal() as terminal:
        faces = read_faces(validated(DataConfig, asked | {"source": args.path or "drawn"}, "mien data"), terminal)
    if args.action == "pack":
        print(f"packed: {len(faces.files):,} faces of {faces.card['source']}, fingerprint {faces.fingerprint}")
        return
    print("\n".join(lines(faces.card)))
    if args.out:
        save_picture(views.contact_sheet(faces, count), args.out)


def doctor(args: argparse.Namespace) -> None:
    """`mien doctor`"""
    from rich.console import Console

    from mien.doctor import examine
    from mien.terminal import rows

    console = Console()
    for title, pairs in examine().items():
        console.print(rows(title, pairs))
