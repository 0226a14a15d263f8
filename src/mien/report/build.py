"""Building the report: from runs and faces to one page that stands alone, and the figures beside it."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from mien.errors import RunError
from mien.faces import SPLITS, UNKNOWN, Faces
from mien.faces.pack.statistics import encodable, strongest
from mien.models import class_of
from mien.pictures import arrays
from mien.report import figures, sentences
from mien.report.encoded_pictures import Inline, Plate, encode_jpeg, enlarge, figure_svg, picture_plate, sheet
from mien.report.number_tables import tabulate
from mien.report.run_pictures import illustrate
from mien.report.run_section import Chapter, number_runs, open_chapter
from mien.runs.folder import ReadOnce, Run
from mien.seeds import Seed
from mien.version import __version__

GLANCED = 8  # faces of each run at the top of the page
CONTACT = 48


def build_report(folder: Path, runs: Sequence[Run], faces: Faces, *, title: str, skipped: Mapping[str, str]) -> Path:
    """Write folder/report with report.html and figures/, in place of an older one; returns the page's path.

    faces: those of the runs.    skipped: a recipe's name and why it did not run.

    Raises: RunError where the folder cannot be written; RecipeError where a run's recipe is not one.
    """
    runs = [ReadOnce(run.path) for run in runs]
    numbers = number_runs([class_of(run.recipe().model) for run in runs])
    chapters = [open_chapter(run, number) for run, number in zip(runs, numbers, strict=True)]
    attribute = colouring_attribute(faces, chapters)
    for chapter in chapters:
        chapter.coloured_by = attribute
        illustrate(chapter, faces)
    page = render(chapters, faces, title, skipped)
    plates = [plate for chapter in chapters for plate in (chapter.curves, *chapter.plates) if plate and plate.file]
    return write(Path(folder), page, {plate.file: plate.jpeg for plate in plates})


def colouring_attribute(faces: Faces, chapters: Sequence[Chapter]) -> str | None:
    """The attribute that colours maps of latents: one that a model is conditioned on, else the one nearest to half."""
    for chapter in chapters:
        for name in chapter.model.attributes:
            if name in faces.attribute_names:
                return name
    if not faces.attribute_names:
        return None
    known = faces.attributes != UNKNOWN
    share = (faces.attributes == 1).sum(0) / np.maximum(known.sum(0), 1)
    return faces.attribute_names[int(np.abs(share - 0.5).argmin())]


def fill(template: str, **facts: Any) -> str:
    """A page from its template, in which every fact is escaped; the version and the day are added."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda number: f"{number:,}"
    today = f"{datetime.now():%d %B %Y}".lstrip("0")
    return environment.get_template(template).render(version=__version__, today=today, **facts)


def render(chapters: Sequence[Chapter], faces: Faces, title: str, skipped: Mapping[str, str]) -> str:
    """The page."""
    names = column_names(chapters)
    named = [(name, chapter.scores) for name, chapter in zip(names, chapters, strict=True)]
    unfinished = [name for name, chapter in zip(names, chapters, strict=True) if not chapter.trained]
    source = Path(faces.card["source"]).name
    return fill(
        "page.html.jinja",
        title=title,
        summary=sentences.summary(faces.card["split"]["train"], source, faces.size, named, unfinished),
        skipped=skipped,
        glance=glance_plate(chapters, names, faces),
        chapters=list(zip(names, chapters, strict=True)),
        groups=tabulate([chapter.scores for chapter in chapters]),
        card=faces.card,
        splits=SPLITS,
        contact=contact_plate(faces),
        correlations=correlation_plate(faces.card),
        strongest=strongest(faces.card),
        provenance=provenance_rows(chapters),
        caveats=sentences.caveats(
            [chapter.recipe.training.seed for chapter in chapters],
            [name for chapter in chapters for name in chapter.scores],
        ),
    )


def column_names(chapters: Sequence[Chapter]) -> list[str]:
    """What each run is called beside the others: its model's title, or the run's own name where that is not enough."""
    titles = [chapter.title for chapter in chapters]
    return [chapter.title if titles.count(chapter.title) == 1 else chapter.recipe.name for chapter in chapters]


def glance_plate(chapters: Sequence[Chapter], names: Sequence[str], faces: Faces) -> Plate | None:
    """Real faces over the first samples of each run of their size; None where there is no sample to show."""
    real = faces.images[faces.rows("test")[:GLANCED]]
    rows = {"real": real} if len(real) == GLANCED else {}
    for name, chapter in zip(names, chapters, strict=True):
        if chapter.trained and chapter.model.image_size == faces.size:
            rows[name] = chapter.trained.sample(GLANCED, seed=Seed.SHOWN)
    if not rows or not any(chapter.trained for chapter in chapters):
        return None
    caption = "At a glance: real test images, and the first samples of each model. None was picked."
    content = sheet(np.concatenate(list(rows.values())), GLANCED)
    return picture_plate("0.1", caption, content, tuple(rows))


def contact_plate(faces: Faces) -> Plate:
    """Faces of the training split."""
    caption = "Faces of the training split, evenly spaced through its order."
    picture = arrays.contact_sheet(faces, CONTACT)
    factor = max(1, round(1000 / picture.shape[1]))
    return picture_plate("0.2", caption, encode_jpeg(enlarge(picture[None], factor)[0]), narrow=True)


def correlation_plate(card: Mapping[str, Any]) -> Plate | None:
    """How attributes go together; None for fewer than two."""
    names = [attribute["name"] for attribute in card["attributes"]]
    if len(names) < 2:
        return None
    matrix = np.array(card["correlation"], dtype=np.float64)
    alt = "Correlations of the attributes. The strongest: " + "; ".join(strongest(dict(card))) + "."
    caption = "Correlation (phi) of every two attributes in the training split. Grey: one of the two does not vary."
    svg = figure_svg(figures.heat_map(matrix, names))
    return Plate("0.3", caption, (Inline(svg, "image/svg+xml", alt),), narrow=len(names) <= figures.CELLS_WITH_NUMBERS)


def provenance_rows(chapters: Sequence[Chapter]) -> list[tuple[str, list[str]]]:
    """Where each run comes from, one row for each fact; a row whose cells are all alike holds it once."""
    facts = [sentences.provenance(chapter.run.provenance().model_dump()) | chapter.effort for chapter in chapters]
    rows = []
    for name in dict.fromkeys(name for fact in facts for name in fact):
        cells = ["\N{EN DASH}" if fact.get(name) is None else str(fact[name]) for fact in facts]
        rows.append((name, cells if len(set(cells)) > 1 else cells[:1]))
    return rows


def write(folder: Path, page: str, pictures: Mapping[str, bytes]) -> Path:
    """Write the report beside the old report, then replace that; remains of a killed process are deleted.

    Raises: RunError where the folder cannot be written.
    """
    report = folder / "report"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".report-*"):
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=".report-", dir=folder) as beside:
            fresh = Path(beside) / "new"
            (fresh / "figures").mkdir(parents=True)
            for name, content in pictures.items():
                (fresh / "figures" / name).write_bytes(content)
            (fresh / "report.html").write_text(encodable(page), encoding="utf-8")
            if report.exists():
                report.rename(Path(beside) / "old")  # and goes with the folder around it
            fresh.rename(report)
    except OSError as error:
        raise RunError(f"{report}: cannot be written: {error}. Make room, or close what has it open.") from error
    return report / "report.html"
