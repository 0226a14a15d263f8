"""The manifest: all that the page is told of the runs it shows, and which files there are to fetch.

`page/app/manifest.js` reads it. A test compares what that and the views read with the schema of these models.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FILE = "exhibit.json"  # its name since format 1
FORMAT = 1

EngineName = Literal["server", "web"]


class Part(BaseModel):
    """A part of the manifest."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Snapshot(Part):
    """Weights of a run, by how many images they were trained on."""

    id: str
    images_seen: int


class Direction(Part):
    """What faces can be moved along: an attribute, or a principal component and its share of the variance."""

    name: str
    kind: Literal["attribute", "principal"]
    share: float = 0


class LatentMap(Part):
    """Test faces where their latents lie. Their pictures stand in one, so many columns of cells of so many pixels."""

    count: int
    columns: int
    cell: int
    attributes: list[str]
    methods: list[str]


class SampleGrid(Part):
    """A picture of samples that was made during the training."""

    images_seen: int
    file: str


class Beside(Part):
    """A floor or a baseline of a number.    share: whether it is one of something, so that per cent say it best"""

    label: str
    value: float
    share: bool


class ShownNumber(Beside):
    """What was measured of a run."""

    name: str
    group: str
    hint: str
    headline: bool
    low: float | None
    high: float | None
    images: int | None
    protocol: str
    beside: list[Beside]


class NetworkFiles(Part):
    """Where the static bundle has a run's networks."""

    generator: str
    encoder: str | None
    prior: str | None


class ShownRun(Part):
    """A run on show.  prior: whether it has learnt one, which noise goes through to be a latent"""

    id: str
    name: str
    model: str
    image_size: int
    latent_dim: int
    attributes: list[str]
    combinations: list[tuple[list[int], int]]
    encodes: bool
    prior: bool
    snapshots: list[Snapshot]
    directions: list[Direction]
    map: LatentMap | None
    film: list[SampleGrid]
    numbers: list[ShownNumber]
    report: str | None
    onnx: NetworkFiles | None
    notes: list[str]


class Manifest(Part):
    """What there is to see, and what could not be shown, in sentences."""

    format: int = FORMAT
    mien: str
    title: str
    engine: EngineName
    notes: list[str] = Field(default_factory=list)
    runs: list[ShownRun] = Field(default_factory=list)
