import dataclasses
import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.faces import Faces
from mien.models import MODELS
from mien.models.base import Model
from mien.models.layer_table import layer_table
from mien.pictures import arrays
from mien.report.build import build_report
from mien.report.number_tables import cell
from mien.report.run_section import number_runs
from mien.report.sentences import reconstruction_sentence, sharpness_sentence
from mien.runs.folder import Run
from mien.runs.score import Score, read_scores
from mien.runs.weights import load_model
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING
from tiny import model as tiny_model

HOSTILE = "<script>alert('x')</script>/../../evil"


class Page(HTMLParser):
    """A page taken apart: its tags with their attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def score(value: float, half: float = 0.01) -> Score:
    return Score(value, value - half, value + half, 20, "as told")


@pytest.fixture(scope="module")
def built(trained_runs: dict[str, Run], faces: Faces, tmp_path_factory) -> tuple[Path, dict[str, Run]]:
    """A plan's folder with its report, as it is after a plan has run."""
    folder = tmp_path_factory.mktemp("plan")
    runs = {name: Run(shutil.copytree(run.path, folder / name)) for name, run in trained_runs.items()}
    sharpness = {"sharpness_real": score(0.5), "sharpness_samples": score(0.2)}
    reconstruction = {"test_mse": score(0.02, 0.001), "baseline_mean_face_mse": score(0.1), "brand_new": Score(7)}
    for name, run in runs.items():
        run.write_metrics(sharpness | reconstruction if name == ENCODING else sharpness)
    build_report(folder, list(runs.values()), faces, title="A plan", skipped={"cvae": "no usable attribute"})
    return folder, runs


@pytest.fixture(scope="module")
def page(built) -> Page:
    return Page(built[0] / "report" / "report.html")


def test_the_page_loads_nothing_from_elsewhere(page: Page):
    loads = [tag.get("src") or tag.get("href") or "" for name, tag in page.tags if name != "a"]
    assert all(load.startswith("data:image/") for load in loads if load)
    assert not page.all("script")
    assert not page.all("link")
    assert "@import" not in page.source
    assert "url(" not in page.source


def test_every_picture_says_what_it_shows(page: Page):
    assert len(page.all("img")) > 10
    assert all(picture["alt"] for picture in page.all("img"))


def test_the_figures_have_the_courseworks_names(built):
    folder, runs = built
    attributes = runs[CONDITIONAL].recipe().model.attributes
    named = {f"fig1_{n}.jpg" for n in (2, 3, 4, 5)} | {"fig2_2.jpg", "fig2_3.jpg", "fig3_2.jpg", "fig3_3.jpg"}
    more = {f"fig3_3_{attribute}.jpg" for attribute in attributes[1:6]} | {"fig1_6.jpg", "fig3_4.jpg"}
    found = {file.name for file in (folder / "report" / "figures").iterdir()}
    assert {name for name in found if re.match("fig[123]_", name)} == named | more


@pytest.mark.parametrize(("file", "columns", "rows"), [("fig1_3", 10, 2), ("fig1_4", 8, 4), ("fig3_3", 10, 2)])
def test_sheets_of_faces_are_large_enough_to_be_seen(built, file: str, columns: int, rows: int):
    with Image.open(built[0] / "report" / "figures" / f"{file}.jpg") as sheet:
        width, height = sheet.size
    assert width > 1000
    assert width / height == pytest.approx(columns / rows, rel=0.05)


def test_numbers_and_reasons_are_told(page: Page, built):
    for words in ("0.0200", "brand_new", "cvae did not run", "no usable attribute", "better than the mean face"):
        assert words in page.text
    told = load_model(built[1][ENCODING].weights).model.describe()
    assert told
    assert all(sentence in page.text for sentence in told)


def test_every_figure_of_the_page_is_numbered_once(page: Page):
    numbers = re.findall(r"<b>Figure (\S+)\.</b>", page.source)
    assert len(numbers) == len(set(numbers)) == len(page.all("figure"))


def test_an_older_report_is_replaced_and_nothing_is_left_beside_it(built, faces: Faces):
    folder, runs = built
    (folder / "report" / "figures" / "stale.jpg").write_bytes(b"")
    build_report(folder, list(runs.values()), faces, title="A plan", skipped={"cvae": "no usable attribute"})
    assert not (folder / "report" / "figures" / "stale.jpg").exists()
    assert {entry.name for entry in folder.iterdir()} == {"report", *runs}


def test_names_from_outside_are_text_and_not_markup(run_of, faces: Faces):
    names = (HOSTILE, *faces.attribute_names[1:])
    attributes = [{**faces.card["attributes"][0], "name": HOSTILE}, *faces.card["attributes"][1:]]
    bad = {"count": 30, "files": [["\udcff<img src=http://x>.jpg", "<i>broken</i>"]] * 30}
    card = {**faces.card, "attributes": attributes, "bad": bad, "source": HOSTILE, "caveats": [HOSTILE]}
    hostile = dataclasses.replace(faces, attribute_names=names, card=card)
    run = run_of(ENCODING)
    page = Page(build_report(run.path, [run], hostile, title=HOSTILE, skipped={HOSTILE: HOSTILE}))
    assert not page.all("script")
    assert all("style" in tag for tag in page.all("i"))  # the bars of the table, not the names of bad files
    assert page.text.count(HOSTILE) > 5


def test_a_run_without_weights_numbers_or_a_whole_log_is_told_in_words(run_of, faces: Faces):
    run = run_of(ENCODING)
    run.weights.unlink()
    run.log_file.unlink()
    run.metrics_file.write_text("{not json")
    page = Page(build_report(run.path, [run], faces, title="t", skipped={}))
    for words in ("not trained to its end", "nothing was logged", "Nothing was measured yet", "Architecture"):
        assert words.lower() in page.text.lower()


def test_damaged_weights_and_sample_grids_do_not_break_the_page(run_of, faces: Faces):
    run = run_of(ADVERSARIAL)
    run.weights.write_bytes(b"x" * 100)
    for grid in run.samples.glob("*.png"):
        grid.write_bytes(grid.read_bytes()[:50])
    assert "No pictures" in Page(build_report(run.path, [run], faces, title="t", skipped={})).text


def test_a_plan_of_skipped_runs_still_has_a_page(tmp_path: Path, faces: Faces):
    page = Page(build_report(tmp_path, [], faces, title="t", skipped={CONDITIONAL: "one label only"}))
    assert f"{CONDITIONAL} did not run" in page.text
    assert "one label only" in page.text


def test_faces_without_attributes_can_be_reported(run_of, faces: Faces):
    card = {**faces.card, "attributes": [], "correlation": [], "rare": []}
    bare = dataclasses.replace(faces, attributes=faces.attributes[:, :0], attribute_names=(), card=card)
    run = run_of(ENCODING)
    assert "without attributes" in Page(build_report(run.path, [run], bare, title="t", skipped={})).text


def test_further_runs_of_a_model_get_further_numbers():
    first, second, third = (type(f"Of{chapter}", (Model,), {"chapter": chapter}) for chapter in (1, 2, 3))
    assert number_runs([first, third, first, Model, second]) == [1, 3, 4, 5, 2]


@pytest.mark.parametrize("name", MODELS)
def test_the_table_of_layers_accounts_for_every_parameter(name: str):
    some_model = tiny_model(name)
    layers = layer_table(some_model)
    assert sum(layer.parameters for layer in layers) == sum(p.numel() for p in some_model.parameters())
    assert (3, 32, 32) in [layer.shape for layer in layers]
    assert all(layer.shape for layer in layers if layer.parameters)


def test_the_map_of_latents_is_the_same_each_time_and_takes_few_points():
    latents = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    assert np.array_equal(arrays.embed(latents, 0), arrays.embed(latents, 0))
    assert [arrays.embed(latents[:count], 0).shape for count in (0, 1, 2, 29)] == [(0, 2), (1, 2), (2, 2), (29, 2)]
    assert not arrays.embed(np.ones((60, 5), np.float32), 0).any()


def test_sentences_claim_only_what_the_numbers_say():
    def scores(**values: float):
        return {name: score(value) for name, value in values.items()}

    blurred, sharp = (scores(sharpness_real=1, sharpness_samples=samples) for samples in (0.4, 0.8))
    assert "the Second's are sharper than the First's" in sharpness_sentence([("First", blurred), ("Second", sharp)])
    assert "the First's are sharper than the Second's" in sharpness_sentence([("First", sharp), ("Second", blurred)])
    assert "no clear difference" in sharpness_sentence([("First", blurred), ("Second", blurred)])
    assert "noise is sharp too" in sharpness_sentence([("First", scores(sharpness_real=1, sharpness_samples=3))])
    bad, fair = scores(test_mse=0.3, baseline_mean_face_mse=0.1), scores(test_mse=0.1, baseline_pca_8_mse=0.1)
    assert "worse than the mean face" in reconstruction_sentence("First", bad)
    assert "no better or worse" in reconstruction_sentence("First", fair)


def test_numbers_have_the_digits_their_interval_bears_out():
    written = [cell(found).value for found in (score(0.123456, 0.002), Score(12.3456), Score(3), Score(math.nan))]
    assert written == ["0.1235", "12.35", "3.000", "–"]
    content = json.loads('{"a": {"value": 1, "low": -Infinity, "high": Infinity}, "b": {}, "c": null, "d": 3}')
    assert read_scores(content) == {"a": Score(1)}
