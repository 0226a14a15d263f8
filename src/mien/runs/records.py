"""The records in the files of a run: provenance, log, divergence, and the metadata of weights."""

from typing import Annotated, Any, Literal

from pydantic import AliasPath, Field, OnErrorOmit, model_validator

from mien.files.reading import LARGEST_SIDE, MOST_LATENTS
from mien.files.validation import Count, Finite, Record
from mien.health import DISTANCE

FORMAT = 1  # of a run's folder
Bit = Annotated[int, Field(strict=True, ge=0, le=1)]
Side = Annotated[int, Field(strict=True, ge=0, le=2**31)]  # of a crop, in pixels
Combination = tuple[Annotated[list[Bit], Field(fail_fast=True)], Count]


class Start(Record):
    """One start of a training: its device; versions, machine and command are extra keys."""

    device: str
    precision: str
    threads: Count


class Provenance(Record):
    """provenance.json: the origin of a run and every start of its training; `surroundings` gives the extra keys."""

    format: int
    data_fingerprint: str
    seed: Count
    started: str
    starts: tuple[Start, ...] = ()


class LogLine(Record):
    """A line of log.jsonl: after so many images, numbers by name, or what was said of the training.

    Names are PHASE/TERM for the mean of a term of a loss since the line before, and validation/NAME for a snapshot's
    number; numbers that are not finite are left out.    weights: of terms in the loss, by their names; 1 is left out.
    A line of terms without weights is of an older log, whose terms are products with their weights.
    """

    images_seen: Count
    numbers: dict[str, OnErrorOmit[Finite]]
    weights: dict[str, OnErrorOmit[Finite]] | None = None
    words: list[str] | None = None

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, line: Any) -> Any:
        if not isinstance(line, dict):
            return line
        own = {key: line[key] for key in ("images_seen", "weights", "words") if key in line}
        return own | {"numbers": {key: value for key, value in line.items() if key not in own}}

    def entries(self) -> dict[str, Any]:
        """The line as log.jsonl holds it."""
        others = self.model_dump(include={"weights", "words"}, exclude_none=True)
        return {"images_seen": self.images_seen} | self.numbers | others


class Divergence(Record):
    """diverged.json: the reason why a run of a study stopped."""

    error: str


class ModelFacts(Record):
    """The metadata that files of weights and exported networks share.

    combinations: values of the model's attributes, and how many training faces have them.
    crop: the part kept of each picture; left, top, right, bottom.
    """

    images_seen: Count
    combinations: Annotated[list[Combination], Field(fail_fast=True)]
    crop: Literal["square", "celeba"] | tuple[Side, Side, Side, Side]

    def require_attributes(self, count: int) -> None:
        """Raises: ValueError where the combinations are not of so many attributes, or count no faces."""
        if any(len(values) != count for values, _ in self.combinations):
            raise ValueError(f"combinations are not all of {count} values")
        if count and not sum(faces for _, faces in self.combinations):
            raise ValueError("combinations count no faces")


class ExportedFacts(ModelFacts):
    """The metadata of an exported ONNX file.  part: 'generator', 'encoder' or 'prior'.  weights: their digest

    prior: whether the model has learnt one, which noise goes through first.
    """

    name: str = Field(validation_alias=AliasPath("recipe", "model", "name"))
    size: int = Field(validation_alias=AliasPath("recipe", "data", "size"), strict=True, ge=1, le=LARGEST_SIDE)
    latent_dim: int = Field(
        validation_alias=AliasPath("recipe", "model", "latent_dim"), strict=True, ge=1, le=MOST_LATENTS
    )
    attributes: list[str]
    part: str
    encodes: bool
    prior: bool = False
    weights: str

    @model_validator(mode="after")
    def _consistent(self) -> "ExportedFacts":
        self.require_attributes(len(self.attributes))
        return self


class WeightsFacts(ModelFacts):
    """The metadata of weights.safetensors and best.safetensors.

    distance: Fréchet, of samples to validation images in the judge's features.
    """

    recipe: dict[str, Any]
    distance: Finite | None = Field(None, alias=DISTANCE)
