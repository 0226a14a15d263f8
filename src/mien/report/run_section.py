"""One chapter of the page for each run: what it is, its pictures, its curves and its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mien.errors import MienError, quoted
from mien.models import build
from mien.models.base import Model
from mien.models.layer_table import Layer, layer_table
from mien.recipes.expected import expected_of
from mien.recipes.recipe import Recipe, to_toml
from mien.report.encoded_pictures import Plate, picture_plate
from mien.report.number_tables import Table, by_attribute, duration, tabulate
from mien.report.sentences import expectation_sentence
from mien.runs.folder import Run
from mien.runs.score import Score
from mien.runs.weights import TrainedModel, load_model

OF_THE_COURSEWORK = 3  # chapters; other models, and further runs of one, follow


@dataclass
class Chapter:
    """What the page says and shows of one run.

    title: of the model, as papers write it.    model: with its trained weights, or fresh ones where there are none.
    trained: None while the run is unfinished.  missing: what cannot be shown, and why, in words.
    coloured_by: the attribute that colours the map of latents; None for faces without attributes.
    """

    number: int
    title: str
    run: Run
    recipe: Recipe
    model: Model
    trained: TrainedModel | None
    scores: dict[str, Score]
    missing: list[str]
    coloured_by: str | None = None
    plates: list[Plate] = field(default_factory=list)
    curves: Plate | None = None
    healthy: list[tuple[str, str]] = field(default_factory=list)
    health: list[tuple[str, str]] = field(default_factory=list)

    def plate(
        self, place: int, caption: str, jpeg: bytes, rows: tuple[str, ...] = (), *, narrow: bool = False
    ) -> Plate:
        """A figure of the chapter that is one picture, with its file in figures/."""
        file = f"fig{self.number}_{place}.jpg"
        return picture_plate(f"{self.number}.{place}", caption, jpeg, rows, file=file, narrow=narrow)

    @property
    def sections(self) -> list[str]:
        """The recipe, section by section, as it is in the run folder."""
        return to_toml(self.recipe).strip().split("\n\n")

    @cached_property
    def layers(self) -> dict[str, list[Layer]]:
        """The architecture, by network."""
        networks: dict[str, list[Layer]] = {}
        for layer in layer_table(self.model):
            networks.setdefault(layer.network, []).append(layer)
        return networks

    @property
    def parameters(self) -> int:
        """How many numbers the model learns."""
        return sum(layer.parameters for layers in self.layers.values() for layer in layers)

    @property
    def numbers(self) -> list[Table]:
        """The run's numbers, in groups."""
        return tabulate([self.scores])

    @property
    def attribute_tables(self) -> list[Table]:
        """The run's numbers for every attribute."""
        return by_attribute(self.scores)

    @property
    def expectation(self) -> str:
        """Whether the run is what its recipe gave elsewhere; '' where nothing is known of that."""
        log = self.run.log()
        expected = expected_of(self.recipe, log[-1]["images_seen"]) if log else None
        return expectation_sentence(expected, self.scores) if expected else ""

    @property
    def images_per_step(self) -> int:
        """Images that one step of the trainer sees."""
        return self.recipe.training.images_per_step(self.model)

    @property
    def effort(self) -> dict[str, str]:
        """How long the training was: images, steps, time, images/s."""
        timed = [line for line in self.run.log() if "seconds" in line]
        if not timed:
            return {}
        images, seconds = timed[-1]["images_seen"], timed[-1]["seconds"]
        return {
            "images seen": f"{images:,}",
            "steps": f"{images // self.images_per_step:,}",
            "time in training": duration(seconds),
            "images a second": f"{images / max(seconds, 1e-9):,.0f}",
        }


def open_chapter(run: Run, number: int) -> Chapter:
    """The run and its model; what is damaged or missing is noted.

    Raises: RecipeError where the recipe is not one.
    """
    recipe = run.recipe()
    missing: list[str] = []
    trained = None
    if run.weights.exists():
        try:
            trained = load_model(run.weights)
        except MienError as error:
            missing.append(f"No pictures: {error}")
    else:
        hint = f"`mien resume {quoted(run.path)}` goes on with it."
        missing.append(f"No pictures: this run is not trained to its end. {hint}")
    scores = run.metrics()
    if trained and not scores:
        missing.append("Nothing was measured yet.")
    model = trained.model if trained else build(recipe.model, recipe.data.size)
    return Chapter(number, model.title, run, recipe, model, trained, scores, missing)


def number_runs(models: Sequence[type[Model]]) -> list[int]:
    """The number of each run's chapter: the coursework's for the first of each of its models, then the next free."""
    free = iter(range(OF_THE_COURSEWORK + 1, OF_THE_COURSEWORK + len(models) + 1))
    taken: set[int] = set()
    numbers = []
    for model in models:
        number = model.chapter
        numbers.append(next(free) if number is None or number in taken else number)
        taken.add(numbers[-1])
    return numbers
