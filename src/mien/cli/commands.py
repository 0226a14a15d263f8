"""What the commands do: one thin function each. Rooms are imported inside them."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import RecipeError

if TYPE_CHECKING:
    from mien.plans import PlanResult
    from mien.plans.cluster import Cluster
    from mien.plans.studies import StudyResult

MEANINGLESS = {  # options of `mien data` that one of its actions has no use for
    "show": ("seed",),
    "pack": ("seed", "count", "out"),
    "verify": ("seed", "count", "out"),
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
    from mien.plans import begin_plan, load_plan, run_plan
    from mien.terminal import Terminal

    cluster = cluster_for(args)
    with Terminal() as terminal:
        plan = load_plan(args.plan)
        given: Any = {"source": args.data, "out": args.out, "overrides": overrides_of(args), "observer": terminal}
        if cluster:
            submit(begin_plan(plan, **given)[0], args.processes, cluster)
            return
        result = run_plan(plan, processes=args.processes, **given)
    show_result(result)


def cluster_for(args: argparse.Namespace) -> "Cluster | None":
    """The cluster that is to do the work, found usable before anything is written; None: this machine."""
    from mien.plans.cluster import cluster_of
    from mien.plans.workers import require_some_processes

    require_some_processes(args.processes)
    if args.cluster:
        return cluster_of(args.cluster, args.cluster_option)
    if args.cluster_option:
        raise RecipeError(f"--cluster-option {args.cluster_option[0]}: is for --cluster. Give both, or neither.")
    return None


def submit(folder: Path, workers: int, cluster: "Cluster") -> None:
    """Have a cluster work through a folder, and say how to look at it and how to end it."""
    from mien.plans import cluster as engine
    from mien.terminal import Terminal

    jobs = engine.submit(folder, workers, cluster, Terminal)
    where = shlex.quote(str(folder))
    print(f"submitted to {cluster.name}: {', '.join(job.job_id for job in jobs)}")
    print(f"what they say: {where}/{engine.FOLDER}")
    print(f"what is there so far: mien report {where}")
    print(f"once they are through: mien resume {where}")


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
    from mien.plans.studies import Length, begin_study, run_study
    from mien.terminal import Terminal

    cluster = cluster_for(args)
    with Terminal() as terminal:
        loaded, length = load_study(args.study), Length(args.budget, args.images, args.seeds)
        given: Any = {"source": args.data, "out": args.out, "overrides": overrides_of(args), "observer": terminal}
        if cluster:
            submit(begin_study(loaded, length, **given)[0], args.processes, cluster)
            return
        result = run_study(loaded, length, processes=args.processes, **given)
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

    cluster = cluster_for(args)
    if (args.processes != 1 or cluster) and not is_plan(args.folder):
        raise RecipeError(
            f"{args.folder}: --processes and --cluster are for a plan or a study, which have several runs. "
            "Leave them out."
        )
    if is_plan(args.folder):
        if args.overrides:
            raise RecipeError(
                f"{args.folder}: is a plan; give another length to one of its runs, then resume the plan."
            )
        if cluster:
            submit(args.folder, args.processes, cluster)
            return
        if is_study(args.folder):
            with Terminal() as terminal:
                finished = resume_study(args.folder, processes=args.processes, observer=terminal)
            show_study(finished)
            return
        with Terminal() as terminal:
            result = resume_plan(args.folder, terminal, processes=args.processes)
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
    from mien import open_run, sampling

    images = open_run(args.run).sample(args.count, seed=args.seed, attributes=attribute_values(args.set))
    save_picture(sampling.grid(images, columns=min(8, args.count)), args.out)


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

    from mien import open_run, sampling
    from mien.faces.pictures import read_picture

    trained = open_run(args.run)
    originals = np.stack([read_picture(path, trained.image_size, trained.crop) for path in args.images])
    both = np.concatenate([originals, trained.reconstruct(originals)])
    save_picture(sampling.grid(both, columns=len(originals)), args.out)


def save_picture(image: Any, path: Path) -> None:
    """Write a picture in the format its name ends in, whole.  Raises: RecipeError where that cannot be done."""
    from PIL import Image

    beside = path.with_name(f"{path.stem}.tmp{path.suffix}")
    try:
        Image.fromarray(image).save(beside)
        beside.replace(path)
    except (OSError, ValueError) as error:
        beside.unlink(missing_ok=True)
        raise RecipeError(
            f"--out {path}: cannot be written ({error}). Give a .png or .jpg in a folder that exists."
        ) from error
    print(path)


def export(args: argparse.Namespace) -> None:
    """`mien export`"""
    from mien.export.onnx import export_onnx

    kind, target = args.to
    if kind == "web":
        export_page(args.run, Path(target), args.with_test_faces)
        return
    if kind != "onnx":
        raise RecipeError(
            f"--to {kind}: not something that a run is exported to. Give --to onnx FILE, or --to web DIR."
        )
    if args.with_test_faces:
        raise RecipeError("--with-test-faces: is for --to web; an ONNX file holds no faces. Leave it out.")
    for written in export_onnx(args.run, Path(target)):
        off = f"{written.difference:.2g} {written.unit.replace('_', ' ')}"
        print(f"{written.path}: {written.size / 1e6:.1f} MB, within {off} of PyTorch on {written.inputs} random inputs")


def explore(args: argparse.Namespace) -> None:
    """`mien explore`"""
    from mien.explorer.exhibit import open_exhibit
    from mien.explorer.server import serve
    from mien.terminal import Terminal

    with Terminal() as terminal:
        exhibit = open_exhibit(args.runs, source=args.data, observer=terminal)
    serve(exhibit, host=args.host, port=args.port, browser=not args.no_browser, runtime=args.runtime)


def export_page(path: Path, folder: Path, test_faces: bool) -> None:
    """Write the static bundle, and print the size of each of its parts and what they come to."""
    from mien.export.web import MOST_BYTES, export_web
    from mien.terminal import Terminal

    with Terminal() as terminal:
        parts = export_web(path, folder, terminal, test_faces=test_faces)
    for part in parts:
        print(f"{part.size / 1e6:6.2f} MB  {part.name}" + (f"  ({part.words})" if part.words else ""))
    total = sum(part.size for part in parts)
    over = f", more than {MOST_BYTES / 1e6:.0f}: export fewer runs for less" if total > MOST_BYTES else ""
    print(f"{total / 1e6:6.2f} MB in all{over}    next: python -m http.server --directory {folder}")


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
    from mien.faces.pack import verify
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
    if args.action == "verify":
        verify(faces)
        print(f"as they were packed: {len(faces.files):,} faces of {faces.card['source']}, {faces.card['pack']}")
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
