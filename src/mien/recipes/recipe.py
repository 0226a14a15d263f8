"""Recipes: everything that decides one run, in a TOML file that is read, checked, overridden and written here."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
)

from mien.errors import RecipeError, did_you_mean, not_allowed, shown
from mien.files.validation import MOST_SHOWN, place_of, what_is_wrong
from mien.models import model_class
from mien.models.options import ModelConfig
from mien.models.own_code import found_beside, is_own
from mien.training.config import TrainConfig

Checked = TypeVar("Checked", bound=BaseModel)
Room = Literal["recipes", "plans", "studies"]
MOST_BYTES = 256 * 2**10  # of a TOML file: a hundred times the longest that comes with mien
MOST_DOTS = 64  # in a key; the parser's time grows with the square of them
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"  # of a folder


def _path(given: str) -> str:
    if "\0" in given:
        raise ValueError(f"{shown(given)} is not a path: it holds a NUL.")
    return given


PathText = Annotated[str, AfterValidator(_path)]


class DataConfig(BaseModel):
    """Which faces, and how they are prepared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: PathText = Field("drawn", description="a folder, a .zip, drawn or drawn:COUNT")
    size: Literal[32, 64, 128] = 64
    crop: Literal["auto", "square"] | tuple[int, int, int, int] = Field(
        "auto",
        description="auto: the usual box for CelebA's layout, the centre square otherwise; or left, top, right, bottom",
    )
    attributes_table: PathText | None = None
    names_column: str | None = Field(None, description="of the table, the one of file names; by default it is found")
    skip_bad: bool = Field(False, description="go on although more than 1 % of the files cannot be used")
    horizontal_flips: bool = Field(False, description="mirror half of the training images")


def _model_config(given: object, info: ValidationInfo) -> object:
    if isinstance(given, ModelConfig) or not isinstance(given, Mapping):
        return given
    try:
        found = model_class(given.get("name"), **(info.context or {}))
    except RecipeError as error:
        raise ValueError(str(error)) from error
    config = found.Config.model_validate(dict(given))
    return config.of_class(found) if is_own(config.name) else config


class Recipe(BaseModel):
    """Everything that decides one run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME, description="of the run's folder within a plan's")
    data: DataConfig = DataConfig()
    model: SerializeAsAny[Annotated[ModelConfig, BeforeValidator(_model_config)]]
    training: TrainConfig
    health: bool = Field(True, description="judge the samples of every snapshot, keep the best one, say what turns")


def presets(room: Room = "recipes") -> dict[str, Path]:
    """The recipes (or plans, or studies) that come with mien, by name."""
    inside = Path(str(resources.files("mien.recipes")))
    folder = inside if room == "recipes" else inside / room
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_toml(name_or_path: str | Path, room: Room = "recipes") -> tuple[Path, dict[str, Any]]:
    """The preset of that name, or the TOML file at that path, unchecked.

    Raises: RecipeError where there is no such preset or file, or it is not TOML; RunError where it may not be read.
    """
    known = presets(room)
    path = known.get(str(name_or_path), Path(name_or_path))
    if not is_file(path):
        name = str(name_or_path)[:MOST_SHOWN]
        raise RecipeError(
            f"{name}: neither a preset nor a TOML file.{did_you_mean(name, known)} Presets: {', '.join(known)}."
        )
    if (size := path.stat().st_size) > MOST_BYTES:
        raise RecipeError(f"{path}: {size:,} bytes, more than the {MOST_BYTES:,} that a TOML file may have here.")
    try:
        table = parse_toml(path.read_text(encoding="utf-8"))
    except PermissionError as error:  # a matter of permissions, not of TOML
        raise not_allowed(path, error) from error
    except (ValueError, OSError) as error:
        raise RecipeError(f"{path}: is not TOML that can be read: {error}. Correct that line.") from error
    model = table.get("model")
    if isinstance(model, dict) and isinstance(model.get("name"), str):
        model["name"] = found_beside(model["name"], path)
    return path, table


def is_file(path: Path) -> bool:
    """Whether a path is a file; False also for a name that no file can have."""
    try:
        return path.is_file()
    except OSError:
        return False


def parse_toml(text: str) -> dict[str, Any]:
    """A table from TOML.  Raises: ValueError for text that is not TOML."""
    if len(text) > MOST_BYTES or any(part.count(".") > MOST_DOTS for part in re.split(r"[={},\[\]\n]", text)):
        raise ValueError("it is too long, or has too many dots in a row")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is too deep") from None


def load_recipe(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """A recipe by preset name or path, with overrides such as 'training.epochs=10'.

    Raises: RecipeError, naming the key, what was given and what is allowed.
    """
    path, table = read_toml(name_or_path)
    return check(apply_overrides(table, overrides), str(path))


def check(table: Mapping[str, Any], where: str, run: Path | None = None) -> Recipe:
    """A recipe from a table.

    where: the file of the recipe.    run: the folder of the run, for a run's recipe: its model code runs only if the
    user has given that code before. Recipes without a run are the user's.

    Raises: RecipeError for a key that does not exist (with the nearest) or a value of the wrong type or range;
    RunError for a run's code that the user has not given.
    """
    return validated(Recipe, table, where, {"run": run})


def validated(
    kind: type[Checked], table: Mapping[str, Any], where: str, context: dict[str, Any] | None = None
) -> Checked:
    """A recipe, one of its sections or a plan from a table.  context: what `model_class` takes besides the name

    Raises: RecipeError for the first thing that is wrong.
    """
    try:
        return kind.model_validate(dict(table), context=context)
    except ValidationError as error:
        raise RecipeError(f"{where}: {explain(error, kind, table, context)}") from error


def apply_overrides(table: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A copy of a table with overrides 'section.key=value'; a value is read as TOML, else as text.

    Raises: RecipeError for an override without '='.
    """
    result = {key: dict(value) if isinstance(value, Mapping) else value for key, value in table.items()}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise RecipeError(
                f"{shown(override)}: expected key=value, such as training.epochs=10 or model.kl_weight=1e-3."
            )
        section: Any = result
        *sections, last = key.strip().split(".")
        for name in sections:
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise RecipeError(
                    f"{shown(override)}: {shown(name)} is a value, not a section; nothing can be set inside it."
                )
        if last in ("epochs", "steps") and sections == ["training"]:  # the length is given as one or the other
            section.pop("epochs", None)
            section.pop("steps", None)
        section[last] = toml_value(text.strip())
    return result


def toml_value(text: str) -> Any:
    """A value as TOML reads it; text that is not TOML stays text, so that quotes are optional."""
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text


def explain(
    error: ValidationError, kind: type[BaseModel], table: Mapping[str, Any], context: dict[str, Any] | None = None
) -> str:
    """The first thing that is wrong, in words."""
    first = error.errors()[0]
    location = [str(part) for part in first["loc"] if "[" not in str(part)]
    place, words = place_of(first["loc"]), what_is_wrong(error)
    if first["type"] == "extra_forbidden":
        allowed = section(kind, location[:-1], table, context).model_fields
        return f"{place} is not a key.{did_you_mean(location[-1], allowed)} Keys here: {', '.join(allowed)}."
    if first["type"] == "missing":
        return f"{words}; add it."
    if first["type"] == "value_error":
        return words
    if first["type"] == "model_type":
        return f"{place} is {shown(first['input'])}: it is a section; set the keys in it, as in {place}.KEY=VALUE."
    field = section(kind, location[:-1], table, context).model_fields.get(location[-1])
    meaning = f" ({field.description})" if field and field.description else ""
    return f"{words}{meaning}."


def section(
    kind: type[BaseModel], location: list[str], table: Mapping[str, Any], context: dict[str, Any] | None = None
) -> type[BaseModel]:
    """The model of the section at a location in a table; indices of lists and names of entries are skipped."""
    if location[:1] == ["model"]:
        return model_class(table["model"]["name"], **(context or {})).Config
    for name in location:
        if name in kind.model_fields:
            kind = model_within(kind.model_fields[name].annotation) or kind
    return kind


def model_within(annotation: object) -> type[BaseModel] | None:
    """The section that a field holds, alone or in a list; None for a value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := model_within(inner))), None)


def to_toml(recipe: Recipe) -> str:
    """The recipe as TOML, every default written out; keys with None are left out, as TOML has no such value."""
    return tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True))


def with_source(recipe: Recipe, source: str) -> Recipe:
    """The recipe with another source of faces; a path becomes absolute: a run can be resumed from anywhere."""
    if source.partition(":")[0] != "drawn":
        source = str(Path(source).expanduser().resolve())
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"source": source})})
