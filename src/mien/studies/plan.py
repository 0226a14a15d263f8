"""Plans: recipes that are run on the same faces, and the checks that they can be."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mien.errors import RecipeError
from mien.faces import Faces
from mien.recipes.recipe import NAME, DataConfig, Recipe, apply_overrides, check, is_file, read_toml, section, validated
from mien.sessions.chosen_by_data import settle_by_data
from mien.sessions.train import require_runnable

ONE_BY_ONE = "Train its recipes one by one with `mien train`, or go on with its runs one by one with `mien resume`."


class Plan(BaseModel):
    """Recipes (presets or files) that are run on the same faces and reported together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME)
    title: str
    recipes: list[str] = Field(min_length=1, max_length=100)


def load_plan(name_or_path: str | Path) -> Plan:
    """A plan by preset name or path; files of recipes are looked for beside it, then from here.

    Raises: RecipeError where there is no such plan, or a key in it is wrong.
    """
    path, table = read_toml(name_or_path, "plans")
    plan = validated(Plan, table, str(path))
    beside = [path.parent / name for name in plan.recipes]
    recipes = [str(file) if is_file(file) else name for file, name in zip(beside, plan.recipes, strict=True)]
    return plan.model_copy(update={"recipes": recipes})


def plan_recipes(plan: Plan, overrides: Iterable[str] = ()) -> list[Recipe]:
    """The plan's recipes with overrides laid over them.

    'training.seed=1' goes to every recipe that has the key, 'NAME.training.epochs=60' to the recipe of that name.

    Raises: RecipeError for an override that no recipe takes, or two recipes of one name.
    """
    tables = [(str(path), table) for path, table in (read_toml(name) for name in plan.recipes)]
    names = [check(table, where).name for where, table in tables]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RecipeError(f"plan {plan.name}: two of its recipes have one name ({twice}). Rename one.")
    shared = share_out(overrides, dict(zip(names, (table for _, table in tables), strict=True)))
    return [
        check(apply_overrides(table, shared[name]), where) for name, (where, table) in zip(names, tables, strict=True)
    ]


def share_out(overrides: Iterable[str], tables: Mapping[str, dict[str, Any]]) -> dict[str, list[str]]:
    """The overrides of each named recipe; an override that no recipe takes goes to all, and is refused there."""
    mine: dict[str, list[str]] = {name: [] for name in tables}
    for override in overrides:
        named = [name for name in tables if override.startswith(f"{name}.")]
        if named:
            longest = max(named, key=len)
            mine[longest].append(override.removeprefix(f"{longest}."))
            continue
        takers = [name for name, table in tables.items() if takes(table, override)]
        for name in takers or tables:
            mine[name].append(override)
    return mine


def takes(table: dict[str, Any], override: str) -> bool:
    """Whether a recipe has the key that an override sets."""
    *sections, last = override.partition("=")[0].strip().split(".")
    known = not sections or sections[0] in Recipe.model_fields
    return known and last in section(Recipe, sections, table).model_fields


def require_same_faces(plan: Plan, recipes: Sequence[Recipe]) -> None:
    """Raises: RecipeError where the recipes prepare their faces differently; only flips may differ."""
    for key in DataConfig.model_fields:
        given = {recipe.name: getattr(recipe.data, key) for recipe in recipes}
        if key != "horizontal_flips" and len(set(given.values())) > 1:
            listed = ", ".join(f"{name}: {value}" for name, value in given.items())
            raise RecipeError(
                f"plan {plan.name}: its recipes are run on the same faces, but data.{key} differs ({listed}). "
                f"Give one for all of them, as in data.{key}=VALUE."
            )


def settle(plan: Plan, recipes: Sequence[Recipe], faces: Faces) -> tuple[list[Recipe], dict[str, str]]:
    """The recipes that can be run, with their attributes chosen, and why the others cannot.

    Raises: MienError for a mistake in one of them, before anything is written; RecipeError where no recipe is left.
    """
    settled, skipped = [], {}
    for recipe in recipes:
        chosen, why = settle_by_data(recipe, faces)
        if why:
            skipped[recipe.name] = why
        else:
            require_runnable(chosen)
            settled.append(chosen)
    if not settled:
        reasons = " ".join(f"{name}: {why}" for name, why in skipped.items())
        raise RecipeError(f"plan {plan.name}: none of its recipes can be run on these faces. {reasons}")
    return settled, skipped
