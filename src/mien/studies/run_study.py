"""Running a study: a plan of arms and seeds, then one page with a verdict on each of its claims."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mien.errors import RecipeError, RunError, quoted
from mien.faces import Faces
from mien.files.progress import Observer
from mien.files.validation import what_is_wrong
from mien.recipes.recipe import Recipe
from mien.runs.folder import ReadOnce, Run
from mien.runs.named_by_time import folder_by_time
from mien.runs.plan_folder import PLAN_FILE, PlanRecord, alone, is_plan, read_plan, require_no_run, write_plan
from mien.runs.score import Score, jsonable_scores
from mien.sessions.measure import sketch
from mien.sessions.minutes import images_of_each, time_in_hand
from mien.sessions.recipe_faces import read_faces
from mien.studies import Budget, Outcome, Study, mean_interval, value_of
from mien.studies.plan import ONE_BY_ONE, Plan, require_same_faces, settle
from mien.studies.recipes_of_arms import LENGTHS, Arms, arms_of, keys_of, seeded
from mien.studies.study import BudgetName
from mien.training.devices import require_one_process

FORMAT = 1  # of study.json
RESULTS_FILE = "study.json"
PAGE_FILE = "study.html"


@dataclass(frozen=True)
class Length:
    """How much a study does: the name of its budget, or images of each run; and how many seeds of each arm.

    minutes: that all of it is to take on this machine, run after run: they settle the images, the same for all.
    """

    budget: BudgetName = "quick"
    images: int | None = None
    seeds: int = 3
    minutes: float | None = None


@dataclass(frozen=True)
class ArmRun:
    """A run of an arm, with its numbers.  divergence: why it did not train, in words, or ''"""

    run: Run
    trained: bool
    scores: dict[str, Score]
    divergence: str

    def value(self, metric: str) -> float | None:
        """The run's value of a metric, or None where it has none."""
        return value_of(self.scores, metric) if self.trained else None


def begin_study(
    study: Study,
    length: Length | None = None,
    *,
    source: str | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    observer: Observer | None = None,
) -> tuple[Path, Faces]:
    """Make the folder of a study with its runs, or add to it, and train none yet.  -> the folder, the faces"""
    require_one_process(f"the study {study.name}", ONE_BY_ONE)
    length = length or Length()
    require_some(length)
    time = time_in_hand(length.minutes, overrides)
    arms = arms_of(study, budget_of(study, length), overrides, source)
    plan = Plan(name=study.name, title=study.title, recipes=list(arms.recipes))
    in_turn = recipes_in_turn(arms, length.seeds)
    require_same_faces(plan, in_turn)
    faces = read_faces(in_turn[0].data, observer)
    if time:
        of_one_seed, _ = settle(plan, in_turn[: len(arms.recipes)], faces)
        images = images_of_each(of_one_seed, faces, time, length.seeds, observer)
        length = replace(length, images=images, minutes=None)
        arms = arms_of(study, budget_of(study, length), overrides, source)
        in_turn = recipes_in_turn(arms, length.seeds)
    settled, skipped = settle(plan, in_turn, faces)
    folder = Path(out) if out else folder_by_time(study.name)
    lay_out(folder, plan, study, length, settled, named_by_arm(arms, skipped), faces)
    return folder, faces


def recipes_in_turn(arms: Arms, seeds: int) -> list[Recipe]:
    """Each arm's recipe from each seed: all arms of one seed, then those of the next."""
    return [seeded(name, recipe, seed) for seed in range(seeds) for name, recipe in arms.recipes.items()]


def require_some(length: Length) -> None:
    """Raises: RecipeError for no seeds or images, or fewer."""
    if length.seeds < 1:
        raise RecipeError(f"--seeds {length.seeds}: an arm is trained from one seed or more. Give another number.")
    if length.images is not None and length.minutes is not None:
        raise RecipeError("--images and --minutes both give a length. Leave one of them out.")
    if length.images is not None and length.images < 1:
        raise RecipeError(f"{length.images} images a run: a run sees one or more. Give another number, or a budget.")


def budget_of(study: Study, length: Length) -> Budget:
    """The study's budget of that name; a given number of images replaces its length.

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
    """Make the folders of the runs that are missing, and write down the claims before anything is trained.

    Raises: RunError where the folder holds another plan or study, or a run of another recipe.
    """
    with alone(folder):  # two processes may begin the same study
        require_no_run(folder)
        known = runs_begun(folder, study)
        for recipe in recipes:
            path = folder / recipe.name
            if not Run(path).recipe_file.exists():
                Run.create(path, recipe, faces.fingerprint)
            elif Run.open(path).recipe() != recipe:
                raise RunError(
                    f"{path}: was begun with another recipe than this study gives now (another budget, data or "
                    f"override?). `mien resume {quoted(folder)}` goes on as it was begun; --out starts another study."
                )
        runs = list(dict.fromkeys([*known, *(recipe.name for recipe in recipes)]))
        length = replace(length, seeds=most_seeds(runs))
        write_plan(
            folder, plan.name, plan.title, runs, left_out, study=study.model_dump(mode="json"), length=asdict(length)
        )


def runs_begun(folder: Path, study: Study) -> list[str]:
    """The runs that the study has already in this folder; none in a new folder.

    Raises: RunError where the folder holds another plan or study.
    """
    if not is_plan(folder):
        return []
    plan = read_plan(folder)
    if plan.study != study.model_dump(mode="json"):
        raise RunError(
            f"{folder}: holds {plan.name} already, which is not this study as it is written now. "
            f"`mien resume {quoted(folder)}` goes on with {plan.name}; --out starts another study."
        )
    return plan.runs


def most_seeds(runs: Iterable[str]) -> int:
    """How many seeds the arm with the most seeds has, among these runs."""
    return max(Counter(name.rpartition("-seed")[0] for name in runs).values())


def is_study(folder: str | Path) -> bool:
    """Whether a folder is a study's."""
    return is_plan(Path(folder)) and read_plan(Path(folder)).study is not None


def study_of(folder: Path, plan: PlanRecord) -> tuple[Study, Length]:
    """The study that a folder holds, and how much of it is done.

    Raises: RunError where the folder's plan.json is damaged.
    """
    try:
        study, length = Study.model_validate(plan.study), TypeAdapter(Length).validate_python(plan.length)
    except ValidationError as error:
        raise RunError(f"{folder / PLAN_FILE}: is damaged ({what_is_wrong(error)}). Run the study again.") from error
    return study, replace(length, seeds=most_seeds(plan.runs))


def read_run(run: Run) -> ArmRun:
    """A run with its numbers, read once."""
    return ArmRun(run, run.weights.exists(), run.metrics(), run.divergence())


def runs_by_arm(folder: Path, study: Study, names: Sequence[str]) -> dict[str, list[ArmRun]]:
    """The runs of each arm, in the order of their seeds."""
    arms: dict[str, list[ArmRun]] = {}
    for arm in study.all_arms():
        of_arm = [name for name in names if name.rpartition("-seed")[0] == arm.name]
        if of_arm:
            arms[arm.name] = [read_run(ReadOnce.open(folder / name)) for name in of_arm]
    return arms


def values_of(runs: Sequence[ArmRun], metric: str) -> list[float]:
    """The metric of each run that has it."""
    return [value for run in runs if (value := run.value(metric)) is not None]


def outcomes(arms: Mapping[str, Sequence[ArmRun]], metric: str) -> dict[str, Outcome]:
    """The outcome of each arm, in one metric."""
    return {
        name: Outcome(tuple(values_of(runs, metric)), len(runs), sum(bool(run.divergence) for run in runs))
        for name, runs in arms.items()
    }


def numbers_of(runs: Sequence[ArmRun]) -> dict[str, Any]:
    """All numbers of an arm: of each run, and the mean over seeds with its interval."""
    means = {}
    for name in dict.fromkeys(name for run in runs if run.trained for name in run.scores):
        values = values_of(runs, name)
        mean, low, high = mean_interval(values)
        means[name] = jsonable({"mean": mean, "low": low, "high": high, "seeds": len(values)})
    of_runs = [
        {"run": run.run.path.name, "diverged": run.divergence, "metrics": jsonable_scores(run.scores)} for run in runs
    ]
    return {"means": means, "runs": of_runs}


def jsonable(content: Any) -> Any:
    """The content with null for numbers that are not finite, which JSON does not have."""
    if isinstance(content, Mapping):
        return {key: jsonable(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [jsonable(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def varied(study: Study) -> str:
    """What the arms differ in, in a word or two."""
    return ", ".join(key.rpartition(".")[2] for key in study.vary) or "arm"


def budget_words(study: Study, length: Length, arms: Mapping[str, Sequence[ArmRun]], faces: Faces) -> str:
    """How long each run is, in words; with the arms whose own settings give them another length."""
    images = budget_of(study, length).images
    size = f"{images:,} images a run, up to whole steps" if images else "the length that each recipe says"
    others = [name for name, runs in arms.items() if images and not as_long_as(images, runs[0].run.recipe(), faces)]
    if others:
        size += f", but for {', '.join(others)}, whose length was given"
    seeds = f"{length.seeds} seed{'' if length.seeds == 1 else 's'} of each arm"
    return f"{size if length.images else f'{length.budget}, {size}'}; {seeds}"


def as_long_as(images: int, recipe: Recipe, faces: Faces) -> bool:
    """Whether a run of the recipe sees so many images, up to whole steps."""
    step = recipe.training.images_per_step(sketch(recipe))
    return images <= recipe.training.total_images(len(faces.rows("train")), step) < images + step
