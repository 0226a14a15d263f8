"""From a study to the recipes of its arms: of equal length and, where the study asks for it, of equal size."""

import math
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mien.errors import RecipeError, did_you_mean, shown
from mien.metrics.evaluation import METRICS
from mien.metrics.numbers import unmeasured
from mien.recipes.recipe import Recipe, apply_overrides, check, is_file, read_toml, validated, with_source
from mien.sessions.measure import sketch
from mien.studies import Arm, Budget, Study
from mien.studies.plan import share_out

WIDEST = 1024  # of a body, when its width is chosen
LENGTHS = {"training.steps", "training.epochs"}  # keys that say how long a run is
MOST_NAMED = 10  # arms in a message
SNAPSHOTS = 2  # of a run through its training: enough to see how it went, and a study has many runs


@dataclass(frozen=True)
class Arms:
    """The recipes of a study's arms, and why some of them are left out."""

    recipes: dict[str, Recipe]
    left_out: dict[str, str]


def load_study(name_or_path: str | Path) -> Study:
    """A study by preset name or path; files of recipes are looked for beside it, then from here.

    Raises: RecipeError where there is no such study, or a key in it is wrong.
    """
    path, table = read_toml(name_or_path, "studies")
    study = validated(Study, table, str(path))
    for name in study.metrics:
        if name not in METRICS:
            raise RecipeError(
                f"{path}: {shown(name)} is not a metric.{did_you_mean(name, METRICS)} Metrics: {', '.join(METRICS)}."
            )
    require_measured(study, str(path))

    def found(recipe: str) -> str:
        beside = path.parent / recipe
        return str(beside.resolve()) if recipe and is_file(beside) else recipe

    arms = tuple(arm.model_copy(update={"recipe": found(arm.recipe)}) for arm in study.arms)
    return study.model_copy(update={"recipe": found(study.recipe), "arms": arms})


def require_measured(study: Study, where: str) -> None:
    """Raises: RecipeError where an axis, a reference or a claim names a number that the study does not measure."""
    named = [("axes", name) for axis in study.axes for name in (axis.metric, axis.reference) if name]
    named += [("claims", claim.metric) for claim in study.claims]
    for section, name in named:
        if why := unmeasured(name, study.metrics):
            raise RecipeError(f"{where}: {section}: {why}")


def arms_of(study: Study, budget: Budget, overrides: Iterable[str] = (), source: str | None = None) -> Arms:
    """The arms' recipes within a budget, with overrides laid over them as over a plan's.

    The settings of an arm go over those of the budget, and an override over both.

    Raises: RecipeError for an override that no arm takes, a seed, or fewer than two arms that can be run.
    """
    arms = {arm.name: arm for arm in study.all_arms()}
    read = {name: read_toml(arm.recipe or study.recipe) for name, arm in arms.items()}
    settings = {name: [*budget.set, *arm.set] for name, arm in arms.items()}
    tables = {name: apply_overrides(read[name][1], settings[name]) for name in arms}
    shared = share_out(overrides, tables)
    given = {name: keys_of([*settings[name], *shared[name]]) for name in arms}
    require_no_seed(study, given)
    recipes, left_out = {}, {}
    for name, arm in arms.items():
        recipe = check(apply_overrides(tables[name] | {"name": name}, shared[name]), str(read[name][0]))
        recipe = with_source(recipe, source or recipe.data.source)
        if why := too_small(arm, recipe):
            left_out[name] = why
            continue
        recipes[name] = recipe
    if study.same_parameters_as:
        recipes = equalize_sizes(study.same_parameters_as, recipes)
    recipes = {name: set_length(budget, recipe, given[name]) for name, recipe in recipes.items()}
    if len(recipes) < 2:
        raise RecipeError(f"study {study.name}: fewer than two of its arms can be run. {' '.join(left_out.values())}")
    return Arms(recipes, left_out)


def too_small(arm: Arm, recipe: Recipe) -> str:
    """Why an arm cannot take images of this size, or ''."""
    if recipe.data.size >= arm.smallest_size:
        return ""
    return f"it takes images of {arm.smallest_size} pixels or more, and these have {recipe.data.size}."


def keys_of(overrides: Iterable[str]) -> set[str]:
    """The keys that overrides set."""
    return {override.partition("=")[0].strip() for override in overrides}


def require_no_seed(study: Study, given: Mapping[str, set[str]]) -> None:
    """Raises: RecipeError where the seed is given, which differs between the runs of an arm.

    given: keys, by arm.
    """
    if seeded_arms := [name for name, keys in given.items() if "training.seed" in keys]:
        raise RecipeError(
            f"study {study.name}: training.seed is given for {', '.join(seeded_arms[:MOST_NAMED])}, and a study trains "
            "every arm from the seeds 0, 1, 2 and so on. Leave it out; --seeds says how many."
        )


def set_length(budget: Budget, recipe: Recipe, given: Collection[str]) -> Recipe:
    """The recipe with the budget's length in whole steps, unless another length is given.

    given: keys that the study or an override sets.
    """
    if budget.images is None or LENGTHS & set(given):
        return recipe
    images_per_step = recipe.training.images_per_step(sketch(recipe))
    steps = math.ceil(budget.images / images_per_step)
    length = {"steps": steps, "epochs": None}
    if "training.snapshot_every_images" not in given:
        length["snapshot_every_images"] = max(1, steps * images_per_step // SNAPSHOTS)
    return recipe.model_copy(update={"training": recipe.training.model_copy(update=length)})


def equalize_sizes(name: str, recipes: dict[str, Recipe]) -> dict[str, Recipe]:
    """The recipes with widths that make every model as large as the named one, as nearly as a width can.

    Raises: RecipeError where the named arm is left out.
    """
    if name not in recipes:
        raise RecipeError(f"the arm {name}, whose size the other arms are to have, cannot be run on these faces.")
    target = parameter_count(recipes[name])
    return {other: recipe if other == name else match_width(recipe, target) for other, recipe in recipes.items()}


def match_width(recipe: Recipe, target: int) -> Recipe:
    """The recipe with the width whose number of parameters is nearest to the target, by their ratio."""
    place = bisect_left(range(1, WIDEST), target, key=lambda width: parameter_count(with_width(recipe, width))) + 1
    candidates = [with_width(recipe, width) for width in (place - 1, place) if width >= 1]
    return min(candidates, key=lambda candidate: abs(math.log(parameter_count(candidate) / target)))


def with_width(recipe: Recipe, width: int) -> Recipe:
    """The recipe with another width."""
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"width": width})})


def parameter_count(recipe: Recipe) -> int:
    """How many numbers the recipe's model learns."""
    return sum(parameter.numel() for parameter in sketch(recipe).parameters())


def seeded(name: str, recipe: Recipe, seed: int) -> Recipe:
    """An arm's recipe with a seed, named after both, as its run's folder is."""
    training = recipe.training.model_copy(update={"seed": seed})
    return recipe.model_copy(update={"name": f"{name}-seed{seed}", "training": training})
