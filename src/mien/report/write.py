"""Writing the pages: the report of a plan or a run, the page of a study, the page that compares runs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from mien.faces import Faces
from mien.files.progress import Observer
from mien.files.writing import write_text
from mien.metrics.evaluation import METRICS
from mien.report.build import build_report
from mien.report.study_page import Facts, write_study
from mien.runs.folder import ReadOnce
from mien.runs.plan_folder import alone, is_plan, plan_runs, read_plan, runs_in
from mien.runs.score import Score
from mien.sessions.measure import Measuring, measure_run, measure_runs, require_own_faces
from mien.sessions.recipe_faces import faces_of
from mien.studies import RULE, Answer, answer
from mien.studies.compare_runs import AXES, grouped, require_place, require_same_fingerprint, runs_at
from mien.studies.compare_runs import PAGE_FILE as COMPARISON_PAGE
from mien.studies.compare_runs import RESULTS_FILE as COMPARISON_FILE
from mien.studies.run_plan import write_plan_metrics
from mien.studies.run_study import (
    FORMAT,
    PAGE_FILE,
    RESULTS_FILE,
    budget_words,
    jsonable,
    numbers_of,
    outcomes,
    read_run,
    runs_by_arm,
    study_of,
    values_of,
    varied,
)


@dataclass(frozen=True)
class PlanResult:
    """A finished plan."""

    folder: Path
    report: Path
    metrics: dict[str, dict[str, Score]]  # run name -> metric name -> value, low, high, images, protocol
    skipped: dict[str, str]  # run name -> why it was not run


@dataclass(frozen=True)
class StudyResult:
    """A finished study."""

    folder: Path
    page: Path
    answers: tuple[Answer, ...]
    left_out: dict[str, str]  # arm -> why it was not run


def report_folder(folder: str | Path, observer: Observer | None = None, source: str | None = None) -> Path:
    """Measure the trained runs of a plan, or a single run, and write the report.  -> the page

    source: where the faces are now, by default where the recipe says.

    Raises: RunError where the folder is neither, or the faces are not those that the runs were trained on.
    """
    path = Path(folder)
    runs = runs_in(path)
    for run in runs:
        run.log()  # the report shows it: a damaged log is an error before anything is measured
    faces = faces_of(runs[0], observer, source)
    require_own_faces(runs, faces)
    measure_runs(runs, Measuring(faces), observer)
    if is_plan(path):
        return write_report(path, faces).report
    with alone(path):
        return build_report(path, runs, faces, title=f"{runs[0].recipe().name}: one run", skipped={})


def write_report(folder: Path, faces: Faces) -> PlanResult:
    """Write a plan's report and metrics.json from its runs, trained or not."""
    plan, runs = read_plan(folder), plan_runs(folder)
    with alone(folder):
        metrics = write_plan_metrics(folder, runs, faces)
        report = build_report(folder, runs, faces, title=plan.title, skipped=plan.skipped)
    return PlanResult(folder, report, metrics, plan.skipped)


def report_study(folder: str | Path, faces: Faces | None = None, observer: Observer | None = None) -> StudyResult:
    """Write the page and study.json from the study's runs, trained or not."""
    path = Path(folder)
    plan = read_plan(path)
    study, length = study_of(path, plan)
    arms = runs_by_arm(path, study, plan.runs)
    runs = [run.run for of_arm in arms.values() for run in of_arm]
    faces = faces or faces_of(runs[0], observer)
    require_own_faces(runs, faces)
    answers = tuple(answer(claim, outcomes(arms, claim.metric), plan.skipped) for claim in study.claims)
    results = {
        "format": FORMAT,
        "name": study.name,
        "title": study.title,
        "length": asdict(length),
        "data": faces.fingerprint,
        "rule": list(RULE),
        "arms": {name: numbers_of(runs) for name, runs in arms.items()},
        "left_out": plan.skipped,
        "claims": [jsonable(asdict(one) | {"claim": one.claim.model_dump(mode="json")}) for one in answers],
    }
    words = budget_words(study, length, arms, faces)
    facts = Facts(study.title, study.about, study.axes, study.trade_off, words, varied(study))
    with alone(path):
        write_text(path / RESULTS_FILE, json.dumps(results, indent=1))
        page = write_study(path / PAGE_FILE, facts, arms, answers, plan.skipped, faces)
    return StudyResult(path, page, answers, plan.skipped)


def compare_runs(
    paths: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    names: Sequence[str] = (),
    observer: Observer | None = None,
) -> Path:
    """Measure some runs, as far as they are not measured yet, and write the page that compares them.  -> the page

    paths: of runs, or of plans for all the runs in them.    names: keys of METRICS, all by default.

    Raises: RunError for runs of different faces, whose numbers cannot be compared, or that are not trained, and for a
    folder that cannot be written to, or that holds other files of these names.
    """
    runs = runs_at(paths)
    require_same_fingerprint(runs)
    arms = grouped(runs)
    folder = Path(out) if out else Path("runs") / f"compare-{datetime.now():%Y%m%d-%H%M%S}"
    require_place(folder)
    faces = faces_of(runs[0], observer)
    measuring = Measuring(faces, names or tuple(METRICS))
    for run in runs:
        if not run.divergence():
            measure_run(run, measuring, observer)
    read = {name: [read_run(ReadOnce(run.path)) for run in of] for name, of in arms.items()}
    results = {"format": FORMAT, "data": faces.fingerprint, "arms": {name: numbers_of(of) for name, of in read.items()}}
    shown = tuple(axis for axis in AXES if any(values_of(of, axis.metric) for of in read.values()))
    length = "runs of the same recipe but for its seed are one arm"
    facts = Facts(f"{len(runs)} runs compared", "", shown or AXES[:1], None, length, "arm")
    with alone(folder):
        write_text(folder / COMPARISON_FILE, json.dumps(results, indent=1))
        return write_study(folder / COMPARISON_PAGE, facts, read, (), {}, faces)
