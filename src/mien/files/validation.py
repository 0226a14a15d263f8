"""Pydantic models, with bounds, of the files of a run, which may come from a stranger."""

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mien.errors import RunError, shown

Kind = TypeVar("Kind", bound="Record")
Count = Annotated[int, Field(strict=True, ge=0, le=2**63)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
MOST_SHOWN = 200  # letters of a name in a message


class Record(BaseModel):
    """The content of a file; keys that this version does not know are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)


def checked(kind: type[Kind], content: Any) -> Kind:
    """A record from the content of a file.  Raises: ValueError with the key, its value and what is expected."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise ValueError(what_is_wrong(error)) from error


def what_is_wrong(error: ValidationError) -> str:
    """The first thing that is wrong with a record or a recipe: the key, its value and what is expected."""
    first = error.errors()[0]
    place = place_of(first["loc"])
    if first["type"] == "missing":
        return f"{place} is missing"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    return f"{place} is {shown(first['input'])}: {first['msg'][:1].lower()}{first['msg'][1:]}"


def place_of(location: tuple[int | str, ...]) -> str:
    """The dotted key of an error, without pydantic's own words, such as "literal['auto','square']"."""
    return ".".join(str(part) for part in location if "[" not in str(part))[:MOST_SHOWN]


def require_format(path: Path, kind: str, found: object, known: int, instead: str) -> None:
    """Raises: RunError where a file is of another format.  kind: of file    instead: the next step, for the message"""
    if found != known:
        raise RunError(
            f"{path}: is {kind} of format {shown(found)}; this version of mien reads format {known}. {instead}"
        )
