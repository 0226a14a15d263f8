"""The commands that train runs, plans and studies, a function each. Other modules are imported inside them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.cli.output import say
from mien.errors import RecipeError, quoted

if TYPE_CHECKING:
    from mien.faces import Faces
    from mien.recipes.recipe import Recipe
    from mien.report.write import PlanResult, StudyResult
    from mien.studies.runner.slurm import Cluster


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
    if args.names_column is not None:
        values["names_column"] = json.dumps(args.names_column)
    if args.skip_bad:
        values["skip_bad"] = "true"
    return values


def run(args: argparse.Namespace) -> None:
    """`mien run`"""
    from mien.api import run_plan
    from mien.cli.terminal import Terminal
    from mien.studies.plan import load_plan
    from mien.studies.run_plan import begin_plan

    cluster = cluster_for(args)
    with Terminal() as terminal:
        plan = load_plan(args.plan)
        given: Any = {"source": args.data, "out": args.out, "overrides": overrides_of(args), "observer": terminal}
        given["minutes"] = args.minutes
        if cluster:
            submit(begin_plan(plan, **given)[0], args.processes, cluster)
            return
        result = run_plan(plan, processes=args.processes, **given)
    show_result(result)


def cluster_for(args: argparse.Namespace) -> "Cluster | None":
    """The cluster that does the work, checked before anything is written; None: this machine."""
    from mien.studies.runner.slurm import cluster_of
    from mien.studies.runner.workers import require_some_processes

    require_some_processes(args.processes)
    if args.cluster:
        return cluster_of(args.cluster, args.cluster_option)
    if args.cluster_option:
        raise RecipeError(f"--cluster-option {args.cluster_option[0]}: is for --cluster. Give both, or neither.")
    return None


def submit(folder: Path, workers: int, cluster: "Cluster") -> None:
    """Have a cluster work through a folder, and print where its output is and what to do next."""
    from mien.cli.terminal import Terminal
    from mien.studies.runner import slurm as engine

    jobs = engine.submit(folder, workers, cluster, Terminal)
    where = quoted(folder)
    say(f"submitted to {cluster.name}: {', '.join(job.job_id for job in jobs)}")
    say(f"output of the jobs: {where}/{engine.FOLDER}")
    say(f"report of the runs so far: mien report {where}")
    say(f"once the jobs have ended: mien resume {where}")


def show_result(result: "PlanResult") -> None:
    """The table of a plan's numbers, and where its report is."""
    from rich.console import Console

    from mien.cli.terminal import table_of_numbers
    from mien.metrics.numbers import find

    Console().print(table_of_numbers(result.metrics, lambda name: find(name).number.headline))
    for name, why in result.skipped.items():
        say(f"{name} was skipped: {why}")
    say(f"report: {result.report}")


def train(args: argparse.Namespace) -> None:
    """`mien train`"""
    from mien.cli.terminal import Terminal
    from mien.recipes.recipe import load_recipe, with_source
    from mien.sessions.minutes import fit, time_in_hand
    from mien.sessions.train import start_run, train_run
    from mien.training.devices import require_one_process

    time = time_in_hand(args.minutes, args.overrides, measured=False)
    if time:
        require_one_process("a training of so many minutes", "Give training.steps instead.")

    recipe = load_recipe(args.recipe, overrides_of(args))
    recipe = with_source(recipe, args.data or recipe.data.source)
    with Terminal() as terminal:

        def fitted(settled: "Recipe", faces: "Faces") -> "Recipe":
            return fit([settled], faces, time, terminal)[0] if time else settled

        started, faces = start_run(recipe, args.out, terminal, fitted)
        train_run(started, faces, terminal)
    show_trained(started.path)


def show_trained(run: Path) -> None:
    """Where a trained run is; only the first of several processes says so."""
    from mien.training.devices import rank

    if rank() == 0:
        say(f"trained: {run}    next: mien sample {quoted(run)}")


def study(args: argparse.Namespace) -> None:
    """`mien study`"""
    from mien.api import run_study
    from mien.cli.terminal import Terminal
    from mien.studies.recipes_of_arms import load_study
    from mien.studies.run_study import Length, begin_study

    cluster = cluster_for(args)
    with Terminal() as terminal:
        loaded, length = load_study(args.study), Length(args.budget, args.images, args.seeds, args.minutes)
        given: Any = {"source": args.data, "out": args.out, "overrides": overrides_of(args), "observer": terminal}
        if cluster:
            submit(begin_study(loaded, length, **given)[0], args.processes, cluster)
            return
        result = run_study(loaded, length, processes=args.processes, **given)
    show_study(result)


def show_study(result: "StudyResult") -> None:
    """The verdicts of a study, and where its page is."""
    from rich.console import Console

    from mien.cli.terminal import rows

    if result.answers:
        Console().print(rows("claims", [(answer.verdict, answer.claim.text) for answer in result.answers]))
    for name, why in result.left_out.items():
        say(f"{name} was left out: {why}")
    say(f"page: {result.page}")


def compare(args: argparse.Namespace) -> None:
    """`mien compare`"""
    from mien.cli.terminal import Terminal
    from mien.report.write import compare_runs

    with Terminal() as terminal:
        page = compare_runs(args.runs, out=args.out, names=args.only, observer=terminal)
    say(f"page: {page}")


def resume(args: argparse.Namespace) -> None:
    """`mien resume`"""
    from mien.api import resume_plan, resume_study
    from mien.cli.terminal import Terminal
    from mien.runs.folder import Run
    from mien.runs.plan_folder import is_plan
    from mien.sessions.recipe_faces import faces_of
    from mien.sessions.train import change_length, train_run
    from mien.studies.run_study import is_study

    cluster = cluster_for(args)
    if (args.processes != 1 or cluster) and not is_plan(args.folder):
        raise RecipeError(
            f"{args.folder}: --processes and --cluster are for a plan or a study, which have several runs. "
            "Leave them out."
        )
    if args.data and (args.processes != 1 or cluster):
        raise RecipeError("--data goes with one process. Put the faces where they were, or leave --processes out.")
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
                finished = resume_study(args.folder, source=args.data, processes=args.processes, observer=terminal)
            show_study(finished)
            return
        with Terminal() as terminal:
            result = resume_plan(args.folder, terminal, source=args.data, processes=args.processes)
        show_result(result)
        return
    opened = Run.open(args.folder)
    with Terminal() as terminal:
        faces = faces_of(opened, terminal, args.data)
        change_length(opened, faces, args.overrides)
        train_run(opened, faces, terminal)
    show_trained(opened.path)
