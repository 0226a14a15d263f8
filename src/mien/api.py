"""The functions of `import mien`, and those of commands that train and write a page. It loads no torch by itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import RunError

if TYPE_CHECKING:
    from mien.export.runtime import ExportedModel
    from mien.faces import Faces
    from mien.files.progress import Observer
    from mien.report.write import PlanResult, StudyResult
    from mien.runs.weights import TrainedModel
    from mien.studies import Study
    from mien.studies.plan import Plan
    from mien.studies.run_study import Length


def run(
    data: str | Path | None = None,
    plan: str | Path = "quick",
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    minutes: float | None = None,
    observer: "Observer | None" = None,
) -> "PlanResult":
    """Train, measure and report every model of a plan, as `mien run` does.

    data: a folder, a .zip, 'drawn' or 'drawn:COUNT'; None: what the recipes say, which is 'drawn' for the presets.
    plan: a preset's name or a TOML file.
    overrides: 'section.key=value' for any key of the recipes, such as 'training.seed=1'.
    minutes: that all of it is to take on this machine; None: as long as the recipes say.

    Raises: mien.errors.MienError for whatever a user can mend.
    """
    from mien.studies.plan import load_plan

    source = None if data is None else str(data)
    return run_plan(load_plan(plan), source=source, out=out, overrides=overrides, minutes=minutes, observer=observer)


def open_run(path: str | Path, *, model_code: str | Path | None = None) -> "TrainedModel | ExportedModel":
    """A trained model, to sample from or to reconstruct with.

    path: a run's folder, its file of weights alone, or an .onnx that `mien export` wrote, which needs no PyTorch.
    model_code: the file, or the module, of a model that mien does not have itself; a run's own copy of it runs only
    where you have given it before, here or to a training.

    Raises: mien.errors.RunError where there is no run, it is not trained yet, or its model is code that was not given.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        from mien.export.runtime import open_exported

        return open_exported(path)
    from mien.models.own_code import allow
    from mien.runs.folder import Run
    from mien.runs.weights import load_model

    if model_code:
        allow(model_code)
    if path.is_file() and (path.suffix != ".safetensors" or path.name.startswith("checkpoint")):
        weights = path.suffix == ".safetensors"
        kind = "a checkpoint, which goes on with a training" if weights else "not a file of weights"
        raise RunError(
            f"{path}: {kind}. Give the folder of a run, its weights.safetensors or best.safetensors, or an .onnx."
        )
    return load_model(path if path.is_file() else Run.open(path).weights)


def open_faces(source: str | Path, *, size: int = 64) -> "Faces":
    """Faces packed for training: a folder, a .zip, 'drawn' or 'drawn:COUNT'; `mien.faces.open_faces` has more options.

    Raises: mien.errors.DataError where they cannot be used.
    """
    from mien import faces

    return faces.open_faces(source, size=size)


def run_plan(
    plan: "Plan",
    *,
    source: str | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    minutes: float | None = None,
    processes: int = 1,
    observer: "Observer | None" = None,
) -> "PlanResult":
    """Train, measure and report every recipe of a plan.

    source: of the faces; None: what the recipes say.    processes: that many runs at the same time.
    minutes: that all of it is to take on this machine, run after run; None: as long as the recipes say.

    Raises: MienError for whatever a user can mend; Interrupted, after saving.
    """
    from mien.studies.run_plan import begin_plan
    from mien.studies.runner.workers import require_some_processes

    require_some_processes(processes)
    folder, faces = begin_plan(plan, source=source, out=out, overrides=overrides, minutes=minutes, observer=observer)
    return finish_plan(folder, faces, processes, observer)


def resume_plan(
    folder: str | Path, observer: "Observer | None" = None, *, source: str | None = None, processes: int = 1
) -> "PlanResult":
    """Go on with a plan where it was stopped; what is done is not done again.

    source: where its faces are now, by default where they were.    Raises: as `run_plan`.
    """
    path = Path(folder)
    return finish_plan(path, faces_to_resume(path, processes, observer, source), processes, observer)


def faces_to_resume(folder: Path, processes: int, observer: "Observer | None", source: str | None = None) -> "Faces":
    """The faces of a plan's or a study's folder.    Raises: RecipeError where its runs cannot be gone on with here."""
    from mien.sessions.recipe_faces import plan_faces
    from mien.studies.plan import ONE_BY_ONE
    from mien.studies.runner.workers import require_some_processes
    from mien.training.devices import require_one_process

    require_one_process(f"{folder}: a plan or a study", ONE_BY_ONE)
    require_some_processes(processes)
    return plan_faces(folder, observer, source)


def finish_plan(folder: Path, faces: "Faces", processes: int, observer: "Observer | None") -> "PlanResult":
    """Train and measure the runs that are not done yet, and report.

    Raises: Diverged, after the report, where one of the trainings did; Interrupted at once.
    """
    from mien.errors import Diverged
    from mien.report.write import write_report  # which loads matplotlib, once the training is through
    from mien.runs.plan_folder import plan_runs
    from mien.studies.runner.workers import work

    work(folder, faces, processes, observer)
    result = write_report(folder, faces)
    if diverged := [f"{run.path.name}: {run.divergence()}" for run in plan_runs(folder) if run.divergence()]:
        raise Diverged(f"{' '.join(diverged)} The report of the rest: {result.report}")
    return result


def run_study(
    study: "Study",
    length: "Length | None" = None,
    *,
    source: str | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    processes: int = 1,
    observer: "Observer | None" = None,
) -> "StudyResult":
    """Train and measure every arm of a study from every seed, then write its page; what is done is not done again.

    source: of the faces; None: what the recipes say.    out: of a study that was begun: it goes on, and more seeds
    are added to those it has.    processes: that many runs at the same time.

    Raises: MienError for whatever a user can mend; Interrupted, after saving.
    """
    from mien.studies.run_study import begin_study
    from mien.studies.runner.workers import require_some_processes

    require_some_processes(processes)
    folder, faces = begin_study(study, length, source=source, out=out, overrides=overrides, observer=observer)
    return finish_study(folder, faces, processes, observer)


def resume_study(
    folder: str | Path, *, source: str | None = None, processes: int = 1, observer: "Observer | None" = None
) -> "StudyResult":
    """Go on with a study where it was stopped.  source: where its faces are now    Raises: as `run_study`."""
    path = Path(folder)
    return finish_study(path, faces_to_resume(path, processes, observer, source), processes, observer)


def finish_study(folder: Path, faces: "Faces", processes: int, observer: "Observer | None") -> "StudyResult":
    """Train and measure the runs that are not done yet, and write the page."""
    from mien.report.write import report_study  # which loads matplotlib, once the training is through
    from mien.studies.runner.workers import work

    work(folder, faces, processes, observer)
    return report_study(folder, faces, observer)
