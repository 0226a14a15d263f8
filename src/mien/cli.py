"""The command line: one thin function a command. Rooms are imported inside the functions, so that --help is instant."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mien
from mien.errors import Interrupted, MienError, RecipeError

if TYPE_CHECKING:
    from mien.plans import PlanResult
    from mien.plans.studies import StudyResult

MEANINGLESS = {  # options of `mien data` that one of its actions has no use for
    "show": ("seed",),
    "pack": ("seed", "count", "out"),
    "draw": ("path", "crop", "attributes", "skip_bad"),
}
Command = Callable[[argparse.Namespace], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.  -> 0 done, 2 a mistake that the user can mend, 130 stopped and saved"""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser, commands = build_parser()
    if arguments and arguments[0] in commands:
        # Intermixed, so that key=value may stand before and after the options.
        namespace = commands[arguments[0]].parse_intermixed_args(arguments[1:])
    else:
        namespace = parser.parse_args(arguments)
        parser.print_help()
        return 0 if not arguments else 2
    try:
        namespace.function(namespace)
    except Interrupted as error:
        print(f"mien: {error}", file=sys.stderr)
        return 130
    except KeyboardInterrupt:
        print("mien: stopped; what was written is kept, and `mien resume` goes on with it", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `mien data show | head`
        sys.stderr.close()
        return 0
    except (MienError, OSError) as error:
        if namespace.debug:
            raise
        training_failed = isinstance(error, OSError) and namespace.function in (run, train, study, resume)
        kept = "; what was written is kept, and `mien resume` goes on with it" if training_failed else ""
        print(f"mien: {error}{kept}", file=sys.stderr)
        return 2
    return 0


def build_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of `mien`, and those of its commands."""
    parser = argparse.ArgumentParser(prog="mien", description=mien.__doc__, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"mien {mien.__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND")
    commands: dict[str, argparse.ArgumentParser] = {}

    def command(name: str, function: Command, words: str, *examples: str) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(
            name,
            help=words,
            description=words,
            epilog="\n  ".join(["example:", *examples]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        sub.set_defaults(function=function)
        commands[name] = sub
        return sub

    add_training(command)
    add_looking(command)
    return parser, commands


def add_training(command: Callable[..., argparse.ArgumentParser]) -> None:
    """The commands that train."""
    sub = command(
        "run",
        run,
        "Train, measure and report every model of a plan.",
        "mien run",
        "mien run --data ~/faces data.horizontal_flips=true",
        "mien run --data ~/hw4_data --plan coursework vae.training.epochs=60",
    )
    sub.add_argument(
        "--plan", default="quick", metavar="NAME|FILE.toml", help="quick (default), coursework, or your own"
    )
    add_what_decides_a_training(sub, folder="runs/<plan>-<time>")

    sub = command(
        "train",
        train,
        "Train one recipe.",
        "mien train vae-quick",
        "mien train gan-coursework --data ~/faces --out runs/my-gan training.steps=2000",
    )
    sub.add_argument("recipe", metavar="RECIPE", help="name of a preset, or a TOML file")
    add_what_decides_a_training(sub, folder="runs/<recipe>-<time>")

    add_studies(command)

    sub = command(
        "resume",
        resume,
        "Go on with a run, a plan or a study that was stopped, exactly where it stood.",
        "mien resume runs/quick-20261124-163000",
        "mien resume runs/my-gan training.steps=4000",
        "mien resume runs/kl-weight-20261124-163000 --processes 2",
    )
    sub.add_argument("folder", type=Path, metavar="FOLDER", help="of a run, a plan or a study")
    sub.add_argument("--processes", type=int, default=1, metavar="N", help="runs of a study at the same time")
    sub.add_argument("overrides", nargs="*", metavar="training.steps=N", help="another length, for a run")


def add_studies(command: Callable[..., argparse.ArgumentParser]) -> None:
    """The commands that compare."""
    sub = command(
        "study",
        study,
        "Train arms from several seeds, measure them, and say of each claim whether it holds.",
        "mien study kl-weight",
        "mien study vae-gan --data ~/faces --seeds 3 --images 100000 --processes 2",
        "mien study mine.toml --budget full training.learning_rate=1e-3",
    )
    sub.add_argument("study", metavar="NAME|FILE.toml", help="of a study that comes with mien, or your own")
    sub.add_argument("--data", metavar="PATH", help="a folder, a .zip, drawn or drawn:COUNT (default: the recipes')")
    add_preparation(sub)
    sub.add_argument("--seeds", type=int, default=3, metavar="N", help="of each arm (default: 3)")
    sub.add_argument("--budget", choices=["quick", "full"], default="quick", help="how long each run is")
    sub.add_argument("--images", type=int, metavar="N", help="that each run sees, in place of the budget's")
    sub.add_argument("--processes", type=int, default=1, metavar="N", help="runs at the same time (default: 1)")
    sub.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder to write, or of a study to go on with (default: runs/<study>-<time>)",
    )
    sub.add_argument("overrides", nargs="*", metavar="key=value", help="anything in the arms' recipes")
    sub.set_defaults(seed=None)

    sub = command(
        "compare",
        compare,
        "Compare runs of the same faces; those that differ in their seed alone are one arm.",
        "mien compare runs/my-vae runs/my-gan",
        "mien compare runs/quick-20261124-163000 runs/other --only distribution sharpness",
    )
    sub.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs, or of plans for all in them")
    sub.add_argument("--only", nargs="+", default=[], metavar="METRIC", help="kinds of metrics (default: all)")
    sub.add_argument("--out", type=Path, metavar="DIR", help="folder to write (default: runs/compare-<time>)")


def add_looking(command: Callable[..., argparse.ArgumentParser]) -> None:
    """The commands that look at what was trained, at faces and at the machine."""
    sub = command(
        "sample",
        sample,
        "Draw new faces from a trained run.",
        "mien sample runs/quick-20261124-163000/acgan --set Male=1 Smiling=0 --out faces.png",
    )
    sub.add_argument("run", type=Path, metavar="RUN", help="folder of a run, or its file of weights")
    sub.add_argument("--count", type=int, default=32, help="how many (default: 32)")
    sub.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="attributes, from 0 to 1")
    sub.add_argument("--seed", type=int, default=0, help="of the latents (default: 0)")
    sub.add_argument("--out", type=Path, default=Path("grid.png"), help="picture to write (default: grid.png)")

    sub = command(
        "reconstruct",
        reconstruct,
        "Put pictures through a VAE: the originals above, their reconstructions below.",
        "mien reconstruct runs/quick-20261124-163000/vae me.jpg you.png --out both.png",
    )
    sub.add_argument("run", type=Path, metavar="RUN")
    sub.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    sub.add_argument("--out", type=Path, default=Path("reconstructions.png"), help="(default: reconstructions.png)")

    sub = command(
        "evaluate",
        evaluate,
        "Measure a run, or every run of a plan, completely, and print the numbers.",
        "mien evaluate runs/quick-20261124-163000",
        "mien evaluate runs/my-gan --only distribution sharpness --again",
    )
    sub.add_argument("folder", type=Path, metavar="FOLDER", help="of a run or of a plan")
    sub.add_argument("--only", nargs="+", default=[], metavar="METRIC", help="kinds of metrics (default: all)")
    sub.add_argument("--again", action="store_true", help="measure even what was measured already")
    sub.add_argument("--inception", type=Path, metavar="FILE", help="TorchScript weights of the FID's network")

    sub = command(
        "report", report, "Write the report of a plan or a run again.", "mien report runs/quick-20261124-163000"
    )
    sub.add_argument("folder", type=Path, metavar="FOLDER")

    sub = command(
        "data",
        data,
        "Look at faces, pack them, or draw some.",
        "mien data show ~/faces",
        "mien data pack ~/celeba.zip --size 128",
        "mien data draw --count 48 --out drawn.png",
    )
    sub.add_argument("action", choices=["show", "pack", "draw"])
    sub.add_argument("path", nargs="?", metavar="PATH", help="a folder, a .zip, drawn (default) or drawn:COUNT")
    add_preparation(sub)
    sub.add_argument("--count", type=int, help="faces of the contact sheet, or to draw (default: 48)")
    sub.add_argument("--seed", type=int, help="of the drawing (default: 0)")
    sub.add_argument("--out", type=Path, help="contact sheet to write (show and draw)")

    command("doctor", doctor, "Print versions, devices, what is fast here and what is missing.", "mien doctor")


def add_what_decides_a_training(sub: argparse.ArgumentParser, folder: str) -> None:
    """Which faces, where to, and anything in a recipe by its key."""
    sub.add_argument(
        "--data", metavar="PATH", help="a folder, a .zip, drawn or drawn:COUNT (default: the recipe's, which is drawn)"
    )
    add_preparation(sub)
    sub.add_argument("--out", type=Path, metavar="DIR", help=f"folder to write (default: {folder})")
    sub.add_argument("--seed", type=int, help="of every training (default: 0)")
    sub.add_argument(
        "overrides", nargs="*", metavar="key=value", help="anything in a recipe, such as training.learning_rate=1e-3"
    )


def add_preparation(sub: argparse.ArgumentParser) -> None:
    """The options that say how faces are prepared."""
    sub.add_argument("--size", type=int, choices=[32, 64, 128], help="side of the images in pixels")
    sub.add_argument("--crop", metavar="square|L,T,R,B", help="what to keep of each picture, in its own pixels")
    sub.add_argument("--attributes", metavar="TABLE", help="a CSV or TSV of attributes, first column the file name")
    sub.add_argument("--skip-bad", action="store_true", help="go on although more than 1 %% of the files are unusable")


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
            args.folder, names=args.only, inception=args.inception, again=args.again, observer=terminal
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
            written = report_folder(args.folder, terminal)
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
