"""Running a study: a plan of arms and seeds, then one page with a verdict on each of its claims."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mien.errors import RecipeError, RunError, quoted
from mien.faces import Faces
from mien.hardware import require_one_process
from mien.plans import ONE_BY_ONE, require_same_faces, settle
from mien.plans.arms import LENGTHS, Arms, arms_of, keys_of, seeded
from mien.plans.folder import Plan, alone, is_plan, plan_faces, plan_runs, read_plan, require_no_run, write_plan
from mien.plans.measuring import require_own_faces, sketch
from mien.plans.training import Observer, read_faces
from mien.plans.workers import require_some_processes, work
from mien.recipe import Recipe
from mien.runs import Run, write_text
from mien.studies import RULE, Answer, Budget, Outcome, Study, answer, mean_interval, value_of
from mien.studies.study import BudgetName

FORMAT = 1  # of study.json
RESULTS_FILE = "study.json"
PAGE_FILE = "study.html"


@dataclass(frozen=True)
class Length:
    """How much a study does: the name of its budget, or images of each run; and how many seeds of each arm."""

    budget: BudgetName = "quick"
    images: int | None = None
    seeds: int = 3


@dataclass(frozen=True)
class StudyResult:
    """What a finished study left behind."""

    folder: Path
    page: Path
    answers: tuple[Answer, ...]
    left_out: dict[str, str]  # arm -> why it was not run


def run_study(
    study: Study,
    length: Length | None = None,
    *,
    source: str | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    processes: int = 1,
    observer: Observer | None = None,
) -> StudyResult:
    """Train and measure every arm of a study from every seed, then write its page; what is done is not done again.

    source: of the faces; None: what the recipes say.    out: of a study that was begun: it goes on, and more seeds
    are added to those it has.    processes: that many runs at the same time.

    Raises: MienError for whatever a user can mend; Interrupted, after saving.
    """
    require_some_processes(processes)
    folder, faces = begin_study(study, length, source=source, out=out, overrides=overrides, observer=observer)
    return finish_study(folder, faces, processes, observer)


def begin_study(
    study: Study,
    length: Length | None = None,
    *,
    source: str | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    observer: Observer | None = None,
) -> tuple[Path, Faces]:
    """Make the folder of a study with its runs, or add to it, and train none yet.  -> the folder, the faces

    Raises: as `run_study`.
    """
    require_one_process(f"the study {study.name}", ONE_BY_ONE)
    length = length or Length()
    require_some(length)
    arms = arms_of(study, budget_of(study, length), overrides, source)
    folder = Path(out) if out else Path("runs") / f"{study.name}-{datetime.now():%Y%m%d-%H%M%S}"
    recipes = {
        name: [seeded(name, recipe, seed) for seed in range(length.seeds)] for name, recipe in arms.recipes.items()
    }
    plan = Plan(name=study.name, title=study.title, recipes=list(recipes))
    in_turn = [recipe for of_one_seed in zip(*recipes.values(), strict=True) for recipe in of_one_seed]
    require_same_faces(plan, in_turn)
    faces = read_faces(in_turn[0].data, observer)
    settled, skipped = settle(plan, in_turn, faces)
    lay_out(folder, plan, study, length, settled, named_by_arm(arms, skipped), faces)
    return folder, faces


def require_some(length: Length) -> None:
    """Raises: RecipeError for no seeds or images, or fewer."""
    if length.seeds < 1:
        raise RecipeError(f"--seeds {length.seeds}: an arm is trained from one seed or more. Give another number.")
    if length.images is not None and length.images < 1:
        raise RecipeError(f"{length.images} images a run: a run sees one or more. Give another number, or a budget.")


def budget_of(study: Study, length: Length) -> Budget:
    """What the study's budget of that name says; with the number of images that somebody has given, for its length.

    Raises: RecipeError for a budget that the study does not have.
    """
    if length.budget not in study.budgets and study.budgets:
        have = ", ".join(study.budgets)
        raise RecipeError(f"study {study.name}: has no budget {length.budget!r}. Budgets: {have}.")
    budget = study.budgets.get(length.budget, Budget())
    if length.images is None:
        return budget
    others = tuple(override for override in budget.set if not keys_of([override]) & LENGTHS)
    return budget.model_copy(update={"images": length.images, "set": others})


def named_by_arm(arms: Arms, skipped: Mapping[str, str]) -> dict[str, str]:
    """Why arms are left out, by the arms' names; of those whose runs were skipped, the first run's reason."""
    left_out = dict(arms.left_out)
    for name in arms.recipes:
        if why := skipped.get(f"{name}-seed0"):
            left_out[name] = why
    return left_out


def lay_out(
    folder: Path,
    plan: Plan,
    study: Study,
    length: Length,
    recipes: Sequence[Recipe],
    left_out: Mapping[str, str],
    faces: Faces,
) -> None:
    """Make the folders of the runs that are not there yet, and write down what is claimed before anything is trained.

    Raises: RunError where the folder holds another plan or study, or a run of another recipe.
    """
    with alone(folder):  # two processes may be told to begin the same study
        require_no_run(folder)
        known = begun(folder, study)
        for recipe in recipes:
            path = folder / recipe.name
            if not Run(path).recipe_file.exists():
                Run.create(path, recipe, faces.fingerprint)
            elif Run.open(path).recipe() != recipe:
                raise RunError(
                    f"{path}: was begun with another recipe than this study gives now (another budget, data or "
                    f"override?). `mien resume {quoted(folder)}` goes on as it was begun; --out starts another."
                )
        runs = list(dict.fromkeys([*known, *(recipe.name for recipe in recipes)]))
        length = replace(length, seeds=most_seeds(runs))
        write_plan(folder, plan, runs, left_out, study=study.model_dump(mode="json"), length=asdict(length))


def begun(folder: Path, study: Study) -> list[str]:
    """The runs that a study in this folder has already; none where there is no study.

    Raises: RunError where there is another plan or study.
    """
    if not is_plan(folder):
        return []
    content = read_plan(folder)
    if content.get("study") != study.model_dump(mode="json"):
        raise RunError(
            f"{folder}: holds {content['name']} already, which is not this study as it is written now. "
            f"`mien resume {quoted(folder)}` goes on with what is there; --out starts another."
        )
    return list(content["runs"])


def most_seeds(runs: Iterable[str]) -> int:
    """How many seeds an arm has, of these runs; of the arm that has most."""
    return max(Counter(name.rpartition("-seed")[0] for name in runs).values())


def is_study(folder: str | Path) -> bool:
    """Whether a folder is a study's."""
    return is_plan(Path(folder)) and "study" in read_plan(Path(folder))


def resume_study(folder: str | Path, *, processes: int = 1, observer: Observer | None = None) -> StudyResult:
    """Go on with a study where it was stopped.

    Raises: as `run_study`.
    """
    path = Path(folder)
    require_one_process(f"{path}: a study", ONE_BY_ONE)
    require_some_processes(processes)
    return finish_study(path, plan_faces(path, observer), processes, observer)


def finish_study(folder: Path, faces: Faces, processes: int, observer: Observer | None) -> StudyResult:
    """Train and measure what is not done yet, and write the page."""
    work(folder, faces, processes, observer)
    return report_study(folder, faces, observer)


def report_study(folder: str | Path, faces: Faces | None = None, observer: Observer | None = None) -> StudyResult:
    """Write the page and study.json from the runs that are there, trained or not."""
    from mien.report.study import Facts, write_study  # matplotlib is slow to import, and training does not need it

    path = Path(folder)
    content = read_plan(path)
    faces = faces or plan_faces(path, observer)
    require_own_faces(plan_runs(path), faces)
    study = Study.model_validate(content["study"])
    length = replace(Length(**content["length"]), seeds=most_seeds(content["runs"]))
    arms = runs_by_arm(path, study, content["runs"])
    answers = tuple(answer(claim, outcomes(arms, claim.metric), content["skipped"]) for claim in study.claims)
    results = {
        "format": FORMAT,
        "name": study.name,
        "title": study.title,
        "length": asdict(length),
        "data": faces.fingerprint,
        "rule": list(RULE),
        "arms": {name: numbers_of(runs) for name, runs in arms.items()},
        "left_out": content["skipped"],
        "claims": [jsonable(asdict(one) | {"claim": one.claim.model_dump(mode="json")}) for one in answers],
    }
    words = budget_words(study, length, arms, faces)
    facts = Facts(study.title, study.about, study.axes, study.trade_off, words, varied(study))
    with alone(path):
        write_text(path / RESULTS_FILE, json.dumps(results, indent=1))
        page = write_study(path / PAGE_FILE, facts, arms, answers, content["skipped"], faces)
    return StudyResult(path, page, answers, content["skipped"])


def runs_by_arm(folder: Path, study: Study, names: Sequence[str]) -> dict[str, list[Run]]:
    """The runs of each arm, in the order of their seeds."""
    arms: dict[str, list[Run]] = {}
    for arm in study.all_arms():
        of_arm = [name for name in names if name.rpartition("-seed")[0] == arm.name]
        if of_arm:
            arms[arm.name] = [Run.open(folder / name) for name in of_arm]
    return arms


def outcomes(arms: Mapping[str, Sequence[Run]], metric: str) -> dict[str, Outcome]:
    """What came of each arm, in one metric."""
    found = {}
    for name, runs in arms.items():
        values = [value_of(run.metrics(), metric) for run in runs if run.weights.exists()]
        diverged = sum(bool(run.divergence()) for run in runs)
        found[name] = Outcome(tuple(value for value in values if value is not None), len(runs), diverged)
    return found


def numbers_of(runs: Sequence[Run]) -> dict[str, Any]:
    """All numbers of an arm: of each run, and the mean over seeds with its interval."""
    measured = [run.metrics() for run in runs if run.weights.exists()]
    names = dict.fromkeys(name for metrics in measured for name in metrics)
    means = {}
    for name in names:
        values = [value for metrics in measured if (value := value_of(metrics, name)) is not None]
        mean, low, high = mean_interval(values)
        means[name] = jsonable({"mean": mean, "low": low, "high": high, "seeds": len(values)})
    of_runs = [{"run": run.path.name, "diverged": run.divergence(), "metrics": run.metrics()} for run in runs]
    return {"means": means, "runs": of_runs}


def jsonable(content: Any) -> Any:
    """The same with null for numbers that are not finite, which JSON does not have."""
    if isinstance(content, Mapping):
        return {key: jsonable(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [jsonable(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def varied(study: Study) -> str:
    """What the arms differ in, in a word or two."""
    return ", ".join(key.rpartition(".")[2] for key in study.vary) or "arm"


def budget_words(study: Study, length: Length, arms: Mapping[str, Sequence[Run]], faces: Faces) -> str:
    """How long each run is, in words; with the arms that are of another length, as somebody has given it."""
    images = budget_of(study, length).images
    size = f"{images:,} images a run, up to whole steps" if images else "the length that each recipe says"
    if images and (others := [name for name, runs in arms.items() if not as_long_as(images, runs[0].recipe(), faces)]):
        size += f", but for {', '.join(others)}, whose length was given"
    seeds = f"{length.seeds} seed{'' if length.seeds == 1 else 's'} of each arm"
    return f"{size if length.images else f'{length.budget}, {size}'}; {seeds}"


def as_long_as(images: int, recipe: Recipe, faces: Faces) -> bool:
    """Whether a run of the recipe sees so many images, up to whole steps."""
    step = recipe.training.images_per_step(sketch(recipe))
    return images <= recipe.training.total_images(len(faces.rows("train")), step) < images + step
