"""The explorer's page in a real Chromium: as `mien explore` serves it, and as a static bundle on a plain server."""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, expect, sync_playwright

import mien
import tiny
from mien.explorer.bundle import export_web
from mien.explorer.manifest import Manifest
from mien.explorer.site import page_files
from mien.faces.pixel_range import signed, to_stored
from mien.models import model_class
from mien.models.base import Encodes
from mien.pictures import of_models
from mien.pictures.arrays import labels, latents
from mien.runs.folder import Run
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's package chromium")

VIEWS = ("sample", "edit", "photo", "walk", "map", "compare", "numbers")
PIXELS = "all => all.map(canvas => canvas.toDataURL()).join()"
MSE = {"value": 0.25, "low": 0.2, "high": 0.3, "images": 20, "protocol": "test split, pixels in [-1, 1]"}


class Site(NamedTuple):
    engine: str
    address: str


@contextmanager
def serving(command: list[str], announced: str) -> Iterator[str]:
    """A server in a process of its own.  -> its address, which is in its first line that says it"""
    process = subprocess.Popen(
        [sys.executable, "-u", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout
    lines = iter(process.stdout.readline, "")
    reading = threading.Thread(target=deque, args=(lines, 0))
    try:
        found = next(filter(None, (re.search(announced, line) for line in lines)))
        # http.server logs every request, and waits for ever once a pipe that nobody reads is full.
        reading.start()
        yield f"http://127.0.0.1:{found[1]}/"
    finally:
        process.terminate()
        process.wait(timeout=20)
        if reading.ident:
            reading.join()
        process.stdout.close()


@pytest.fixture(scope="module")
def plan(trained_runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan of the tiny runs; the one that encodes was measured."""
    folder = tmp_path_factory.mktemp("plan")
    for name, run in trained_runs.items():
        shutil.copytree(run.path, folder / name)
    runs = [ENCODING, ADVERSARIAL, CONDITIONAL]
    content = {"format": 1, "name": "tiny", "title": "Tiny faces", "runs": runs, "skipped": {}}
    (folder / "plan.json").write_text(json.dumps(content))
    (folder / ENCODING / "metrics.json").write_text(json.dumps({"test_mse": MSE, "baseline_mean_face_mse": MSE}))
    return folder


@pytest.fixture(scope="module")
def sites(plan: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    web = tmp_path_factory.mktemp("web")
    export_web(plan, web / "deep" / "bundle")
    explore = ["-m", "mien", "explore", str(plan), "--port", "0", "--no-browser", "--runtime", "pytorch"]
    plain = ["-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(web)]
    with serving(explore, r"exploring at \S+:(\d+)/") as server, serving(plain, r"port (\d+)") as static:
        yield {"server": Site("server", server), "web": Site("web", f"{static}deep/bundle/")}


@pytest.fixture(params=["server", "web"])
def site(request: pytest.FixtureRequest, sites: dict[str, Site]) -> Site:
    found: Site = sites[request.param]
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Visitor:
    """Somebody with a browser of their own, whose page asks for nothing elsewhere and reports no error."""

    def __init__(self, browser: Browser, address: str, **context: Any) -> None:
        self.address, self.asked, self.errors = address, list[str](), list[str]()
        self.context = browser.new_context(reduced_motion="reduce", **context)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", self.note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} {message.location['url']}")

    def open(self, view: str) -> Page:
        self.page.goto(f"{self.address}#{view}")
        expect(self.page.locator("#main h2")).to_be_attached()
        return self.page

    def leave(self) -> None:
        self.context.close()
        host = "/".join(self.address.split("/")[:3])
        assert not [url for url in self.asked if not url.startswith((host, "blob:", "data:"))]
        assert not self.errors


@pytest.fixture
def visit(browser: Browser) -> Iterator[Any]:
    visitors: list[Visitor] = []

    def come(site: Site, **context: Any) -> Visitor:
        visitors.append(Visitor(browser, site.address, **context))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.leave()


def pixels(page: Page, selector: str = ".grid .face") -> str:
    """All pixels of some canvases, once they are painted."""
    page.wait_for_function(
        "selector => { const all = [...document.querySelectorAll(selector)];"
        " return all.length && all.every(canvas => canvas.dataset.painted && !canvas.closest('[aria-busy=true]')) }",
        arg=selector,
    )
    return str(page.locator(selector).evaluate_all(PIXELS))


def images_of(page: Page, selector: str) -> np.ndarray:
    """The pictures on some canvases.  -> [N,S,S,3]"""
    found = page.locator(selector).evaluate_all(
        "all => all.map(c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data])"
    )
    side = int(page.locator(selector).first.evaluate("canvas => canvas.width"))
    return np.array(found, np.uint8).reshape(-1, side, side, 4)[..., :3]


def changed(page: Page, before: str, selector: str = ".grid .face") -> str:
    """The pixels, once they are others."""
    page.wait_for_function(
        "([selector, before]) => [...document.querySelectorAll(selector)].map(c => c.toDataURL()).join() !== before",
        arg=[selector, before],
    )
    return pixels(page, selector)


def address(page: Page) -> str:
    """The address, once it is written."""
    page.wait_for_timeout(400)
    return page.url


def test_a_seed_shows_the_same_faces_to_another_visitor(site: Site, visit: Any) -> None:
    mine = visit(site).open("sample?seed=7")
    first = pixels(mine)
    mine.get_by_role("button", name="Next").click()
    second = changed(mine, first)
    theirs = visit(Site(site.engine, "")).page
    theirs.goto(address(mine))
    assert "seed=8" in theirs.url
    assert pixels(theirs) == second


def test_an_attribute_that_is_set_changes_the_faces_and_is_in_the_address(
    site: Site, visit: Any, trained_runs: dict[str, Run]
) -> None:
    page = visit(site).open(f"sample?run={CONDITIONAL}&seed=3&count=12")
    before = pixels(page)
    page.get_by_role("radiogroup", name="Male").get_by_role("radio", name="On").check()
    after = changed(page, before)
    expect(page.get_by_role("button", name="Face 1, Male", exact=False)).to_be_visible()
    assert "set=Male:1" in address(page)
    page.reload()
    assert pixels(page) == after
    asked = mien.open_run(trained_runs[CONDITIONAL].path).sample(12, seed=3, attributes={"Male": 1})
    most = 0 if site.engine == "server" else 16  # a bundle's weights have 16 bits
    assert np.abs(images_of(page, ".grid .face").astype(int) - asked).max() <= most


def test_a_locked_seed_stays(sites: dict[str, Site], visit: Any) -> None:
    page = visit(sites["server"]).open("sample?seed=7")
    page.get_by_role("button", name="Lock").click()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.keyboard.press("n")
    assert "seed=7&lock=1" in address(page)


def test_the_truncation_makes_faces_more_alike(sites: dict[str, Site], visit: Any) -> None:
    page = visit(sites["server"]).open("sample")
    before = pixels(page)
    page.get_by_label("Truncation").fill("0")
    changed(page, before)
    assert len(set(page.locator(".grid .face").evaluate_all("all => all.map(canvas => canvas.toDataURL())"))) == 1


def test_faces_are_pinned_by_keyboard_and_shared_by_address(site: Site, visit: Any) -> None:
    page = visit(site).open(f"sample?run={CONDITIONAL}")
    pixels(page)
    page.locator(".grid button").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Pinned. 1 pinned.")
    expect(page.locator(".grid button").nth(1)).to_have_attribute("aria-pressed", "true")
    theirs = visit(Site(site.engine, "")).page
    theirs.goto(address(page))
    assert pixels(theirs, "#tray .face") == pixels(page, "#tray .face")


def test_an_edit_can_be_undone_done_again_and_compared_with_before(site: Site, visit: Any) -> None:
    page = visit(site).open(f"edit?run={ENCODING}")
    first = pixels(page, "#edited")
    page.get_by_label("Component 1").fill("3")
    page.get_by_label("Component 1").dispatch_event("change")
    edited = changed(page, first, "#edited")
    page.get_by_role("button", name="Undo").click()
    assert changed(page, edited, "#edited") == first
    page.get_by_role("button", name="Redo").click()
    assert changed(page, first, "#edited") == edited
    page.get_by_role("button", name="Before").click()
    assert changed(page, edited, "#edited") == first
    page.get_by_role("button", name="Before").click()
    changed(page, first, "#edited")
    page.keyboard.press("Control+z")
    assert changed(page, edited, "#edited") == first
    page.get_by_role("button", name="Redo").click()
    assert changed(page, first, "#edited") == edited
    page.get_by_role("button", name="Reset").click()
    assert changed(page, edited, "#edited") == first


def test_a_conditional_model_is_edited_by_its_attributes(sites: dict[str, Site], visit: Any) -> None:
    page = visit(sites["server"]).open(f"edit?run={CONDITIONAL}")
    before = pixels(page, "#edited")
    value = page.get_by_label("Smiling").input_value()
    page.get_by_label("Smiling").fill("0" if value == "1" else "1")
    changed(page, before, "#edited")


def test_a_model_without_directions_is_edited_along_some_drawn_by_chance(sites: dict[str, Site], visit: Any) -> None:
    page = visit(sites["server"]).open(f"edit?run={ADVERSARIAL}")
    before = pixels(page, "#edited")
    page.get_by_label("Direction 1").fill("1.5")
    changed(page, before, "#edited")


def test_a_direction_drawn_by_chance_is_no_face_of_a_seed(sites: dict[str, Site], visit: Any) -> None:
    face = f"{ADVERSARIAL}~last~s1000.0.1"  # its latent would be the direction
    page = visit(sites["server"]).open(f"edit?run={ADVERSARIAL}&face={face}")
    before = pixels(page, "#edited")
    page.get_by_label("Direction 1").fill("1.5")
    changed(page, before, "#edited")


def test_of_moves_that_come_too_fast_only_the_newest_is_asked_for(sites: dict[str, Site], visit: Any) -> None:
    visitor = visit(sites["server"])
    page = visitor.open(f"edit?run={ENCODING}")
    pixels(page, "#edited")
    before = len(visitor.asked)
    page.get_by_label("Component 1").evaluate(
        "input => { for (let i = -60; i <= 60; i++) { input.value = i / 20; input.dispatchEvent(new Event('input')) } }"
    )
    expect(page.locator("#edited")).to_be_visible()
    page.wait_for_timeout(500)
    assert len(visitor.asked) - before <= 4


def test_a_photo_is_cropped_reconstructed_and_edited(site: Site, visit: Any, tmp_path: Path) -> None:
    Image.effect_mandelbrot((300, 200), (-2, -1, 1, 1), 60).convert("RGB").save(tmp_path / "me.png")
    page = visit(site).open(f"photo?run={ENCODING}")
    page.locator("#photo").set_input_files(tmp_path / "me.png")
    first = pixels(page, "#reconstruction")
    expect(page.locator(".result")).to_contain_text("Mean squared error")
    expect(page.locator(".result")).to_contain_text("Test faces have 0.2500 on average")
    page.locator(".crop").focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    changed(page, first, "#reconstruction")
    page.get_by_role("button", name="Edit it").click()
    expect(page.locator("#main")).to_have_attribute("data-view", "edit")
    edited = pixels(page, "#edited")
    page.reload()
    assert pixels(page, "#edited") == edited
    assert re.search(rf"face={ENCODING}~last~k[0-9a-f]{{8}}&", page.url)  # its latent stays in the tab


def test_a_photo_enters_as_training_faces_did(sites: dict[str, Site], visit: Any) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (97, 97, 3), dtype=np.uint8))
    rgba = np.asarray(image.convert("RGBA")).ravel().tolist()
    page = visit(sites["server"]).open("sample")
    ours = page.evaluate(
        "async rgba => [...(await import('./app/resample.js')).resample(Uint8Array.from(rgba), 97, 32)]", rgba
    )
    pillows = np.asarray(image.resize((32, 32), Image.Resampling.LANCZOS), dtype=int).ravel()
    assert np.abs(pillows - np.array(ours)).max() <= 1


@pytest.mark.parametrize(("seed", "size"), [(0, 8), (7, 1), (7, 64), (123, 100), (4294967295, 33)])
def test_a_seed_has_the_latents_of_mien_sample(seed: int, size: int, sites: dict[str, Site], visit: Any) -> None:
    page = visit(sites["server"]).open("sample")
    theirs = page.evaluate(
        """async ([seed, size]) => {
          const { MOST_OF_A_SEED, seededLatent } = await import('./app/random.js');
          seededLatent(seed, 40, size + 1);  // another model's: it changes nothing
          const backwards = Array.from({ length: MOST_OF_A_SEED }, (_, index) => MOST_OF_A_SEED - 1 - index);
          return backwards.map(index => [...seededLatent(seed, index, size)]).reverse();
        }""",
        [seed, size],
    )
    for count in (1, 5, len(theirs)):
        assert np.abs(np.array(theirs[:count]) - latents(size, count, seed)).max() < 1e-6


@pytest.mark.long
def test_the_random_numbers_of_the_page_are_numpys(sites: dict[str, Site], visit: Any) -> None:
    page = visit(sites["server"]).open("sample")
    for seed in ([0], [7, 1], [1000, 2]):
        normals, uniforms = page.evaluate(
            """async seed => {
              const { Pcg64 } = await import('./app/pcg64.js');
              const [normals, uniforms] = [new Pcg64(seed), new Pcg64(seed)];
              return [normals, uniforms].map((draws, which) =>
                Array.from({ length: 200000 }, () => which ? draws.uniform() : draws.normal()));
            }""",
            seed,
        )
        assert uniforms == np.random.default_rng(seed).random(200_000).tolist()
        expected = np.random.default_rng(seed).standard_normal(200_000, np.float32)
        assert np.abs(np.array(normals) - expected).max() < 1e-6  # the last bit of a logarithm is the machine's
        assert (np.array(normals) == expected).mean() > 0.999


@pytest.mark.parametrize("kinds", [1, 3, 700])
def test_a_seed_has_the_attributes_of_mien_sample(kinds: int, sites: dict[str, Site], visit: Any) -> None:
    names = [f"attribute {column}" for column in range(10)]
    rows = [([int(bit) for bit in f"{kind:010b}"], 1 + kind * 7 % 13) for kind in range(kinds)]
    page = visit(sites["server"]).open("sample")
    for seed in (0, 7, 4294967295):
        theirs = page.evaluate(
            """async ([seed, rows]) => {
              const { drawnAttributes, MOST_OF_A_SEED } = await import('./app/random.js');
              return Array.from({ length: MOST_OF_A_SEED }, (_, index) => drawnAttributes(seed, index, rows));
            }""",
            [seed, rows],
        )
        assert (np.array(theirs) == labels(names, rows, len(theirs), seed=seed, given={}, model=CONDITIONAL)).all()


def test_the_explorer_shows_the_faces_of_mien_sample(site: Site, plan: Path, visit: Any) -> None:
    for name in (ENCODING, CONDITIONAL):
        page = visit(site).open(f"sample?run={name}&seed=7&count=12")
        pixels(page)
        ours = mien.open_run(plan / name).sample(12, seed=7).astype(int)
        difference = np.abs(images_of(page, ".grid .face") - ours).max()
        assert difference <= (0 if site.engine == "server" else 16)  # a bundle's weights are rounded


def test_pixels_are_bytes_and_back_as_in_python(sites: dict[str, Site], visit: Any) -> None:
    values = np.random.default_rng(0).uniform(-1.2, 1.2, 20_000).astype(np.float32)
    ties = (np.arange(-2, 258, dtype=np.float32) + np.float32(0.5)) / np.float32(127.5) - np.float32(1)
    given = np.concatenate([values, ties])
    page = visit(sites["server"]).open("sample")
    bytes_, floats = page.evaluate(
        """async given => {
          const { signed, toStored } = await import('./app/pixel-range.js');
          const bytes = Uint8ClampedArray.from([...given, NaN, Infinity, -Infinity], toStored);
          return [[...bytes], Array.from({ length: 256 }, (_, byte) => signed(byte))];
        }""",
        given.tolist(),
    )
    whole = np.concatenate([given, np.array([np.nan, np.inf, -np.inf], np.float32)])
    assert bytes_ == to_stored(whole.reshape(1, 1, 1, -1)).ravel().tolist()
    assert floats == signed(np.arange(256, dtype=np.uint8).reshape(1, 1, 1, -1)).ravel().tolist()


def test_a_model_without_an_encoder_says_so_and_offers_one_that_has_it(sites: dict[str, Site], visit: Any) -> None:
    for view in ("photo", "map"):
        page = visit(sites["server"]).open(f"{view}?run={ADVERSARIAL}")
        expect(page.locator("#main")).to_contain_text("no encoder")
        page.get_by_role("button", name=f"Use {ENCODING}").click()
        expect(page.locator("#main")).not_to_contain_text("no encoder")


def test_a_walk_leads_through_pinned_faces_and_becomes_a_gif(site: Site, visit: Any, tmp_path: Path) -> None:
    pins = "!".join(f"{ENCODING}~last~s1.{index}.1" for index in range(2))
    page = visit(site).open(f"walk?run={ENCODING}&pins={pins}")
    pixels(page, ".strip .face")
    expect(page.locator(".stations li")).to_have_count(2)
    expect(page.get_by_label("Place")).to_have_attribute("max", "31")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save GIF").click()
    download.value.save_as(tmp_path / "walk.gif")
    with Image.open(tmp_path / "walk.gif") as gif:
        assert (gif.n_frames, gif.size) == (32, (256, 256))


def test_a_walk_stays_on_the_great_circle(sites: dict[str, Site], visit: Any) -> None:
    page = visit(sites["server"]).open("sample")
    lengths = page.evaluate(
        "async () => { const { between } = await import('./app/great-circle.js');"
        " const [a, b] = [Float32Array.of(3, 0), Float32Array.of(0, 1)];"
        " return [0, 0.5, 1].map(t => Math.hypot(...between(a, b, t))) }"
    )
    assert lengths == pytest.approx([3, 2, 1])


def test_the_map_shows_the_face_under_the_pointer_and_pins_it(site: Site, visit: Any) -> None:
    page = visit(site).open(f"map?run={ENCODING}")
    expect(page.locator("#map")).to_have_attribute("aria-busy", "false")
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".card")).to_contain_text("Test face")
    page.keyboard.press("Enter")
    pixels(page, "#tray .face")
    assert re.search(rf"pins={ENCODING}~last~m\d+", address(page))
    ring = page.evaluate("document.querySelector('#map').toDataURL()")
    page.get_by_role("button", name="Enlarge").click()
    page.wait_for_function("ring => document.querySelector('#map').toDataURL() !== ring", arg=ring)
    assert re.search(r"at=[\d.,]+", address(page))


def test_hovering_the_map_finds_a_face(sites: dict[str, Site], visit: Any) -> None:
    page = visit(sites["server"]).open(f"map?run={ENCODING}")
    expect(page.locator("#map")).to_have_attribute("aria-busy", "false")
    box = page.locator("#map").bounding_box()
    for step in range(40):
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20 + step * (box["height"] - 40) / 40)
        if page.locator(".card").is_visible():
            break
    expect(page.locator(".card")).to_contain_text("Test face")


def test_models_are_compared_on_the_same_seed_and_a_film_shows_their_training(site: Site, visit: Any) -> None:
    page = visit(site).open("compare?film=0")
    before = pixels(page)
    expect(page.locator(".rows section")).to_have_count(3)
    page.get_by_role("checkbox").nth(1).uncheck()
    expect(page.locator(".rows section")).to_have_count(2)
    changed(page, before)
    film = page.locator(".films figcaption").first
    untrained = film.inner_text()
    page.get_by_label("Images seen").fill("1000")
    expect(film).not_to_have_text(untrained)


def test_numbers_stand_beside_what_they_are_held_against(sites: dict[str, Site], visit: Any) -> None:
    page = visit(sites["server"]).open(f"numbers?run={ENCODING}")
    expect(page.locator("tbody")).to_contain_text("0.2 to 0.3")
    page.locator("summary").filter(has_text="model").click()
    expect(page.locator("tbody")).to_contain_text("test split, pixels in [-1, 1]")
    page.goto(f"{sites['server'].address}#numbers?run={ADVERSARIAL}")
    expect(page.locator("#main")).to_contain_text("was not measured yet")


def test_what_is_seen_is_saved_as_a_picture_and_as_faces_that_open_again(
    site: Site, visit: Any, tmp_path: Path
) -> None:
    page = visit(site).open(f"sample?run={CONDITIONAL}&count=12&set=Male:1")
    shown = pixels(page)
    for item, file in (("Picture", "faces.png"), ("Latents", "faces.json")):
        page.locator("summary", has_text="Save").click()
        with page.expect_download() as download:
            page.get_by_role("button", name=item, exact=False).click()
        download.value.save_as(tmp_path / file)
    with Image.open(tmp_path / "faces.png") as picture:
        assert picture.size == (4 * 128 + 3 * 4, 3 * 128 + 2 * 4)
    other = visit(site).open("sample")
    other.locator("input[type=file][accept*=json]").set_input_files(tmp_path / "faces.json")
    expect(other.locator("#tray li")).to_have_count(12)
    assert pixels(other, "#tray .face") == shown


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no json", "is not JSON"),
        ("{}", "holds no faces"),
        ('{"kind": "mien-faces", "format": 9, "faces": []}', "format 9"),
    ],
)
def test_a_file_that_holds_no_faces_is_refused_in_words(
    content: str, words: str, sites: dict[str, Site], visit: Any, tmp_path: Path
) -> None:
    (tmp_path / "x.json").write_text(content)
    page = visit(sites["server"]).open("sample")
    page.locator("input[type=file][accept*=json]").set_input_files(tmp_path / "x.json")
    expect(page.locator("#problem")).to_contain_text(words)


def test_a_server_that_is_gone_is_told_in_words(sites: dict[str, Site], visit: Any) -> None:
    visitor = visit(sites["server"])
    page = visitor.open("sample")
    pixels(page)
    page.route("**/api/generate", lambda route: route.abort())
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#problem")).to_contain_text("Is `mien explore` still running?")
    page.unroute("**/api/generate")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#problem")).to_be_hidden()
    visitor.errors.clear()  # the browser reports the aborted request


def test_a_problem_stays_until_something_succeeds_that_was_begun_after_it(sites: dict[str, Site], visit: Any) -> None:
    page = visit(sites["server"]).open("sample")
    pixels(page)  # once the page's own faces are there, nothing but the tasks below succeeds
    shown = page.evaluate(
        """async () => {
          const { Shell } = await import('./app/shell.js');
          const [shell, problem] = [new Shell({}, {}, []), document.getElementById('problem')];
          const earlier = shell.attempt(() => new Promise(resolve => setTimeout(resolve, 20)));
          shell.fail(new Error('no'));
          await earlier;
          const after = !problem.hidden;
          await shell.attempt(async () => {});
          return [after, !problem.hidden];
        }"""
    )
    assert shown == [True, False]


def test_networks_that_cannot_start_are_told_each_time_and_not_waited_for(sites: dict[str, Site], visit: Any) -> None:
    visitor = visit(sites["web"])
    visitor.page.route("**/engine-web-worker.js", lambda route: route.abort())
    page = visitor.open("sample")
    expect(page.locator("#problem")).to_contain_text("did not start")
    page.get_by_role("link", name="Edit").click()
    expect(page.locator("#main")).to_have_attribute("data-view", "edit")
    expect(page.locator("#problem")).to_be_visible()
    expect(page.locator("#problem")).to_contain_text("did not start")
    visitor.errors.clear()  # the browser reports the aborted request


WATCH = """
const [json, watched, read] = [Response.prototype.json, new WeakMap(), (window.keysRead = new Set())];
function watch(value, name) {
  if (value === null || typeof value !== "object") return value;
  if (!watched.has(value)) watched.set(value, new Proxy(value, { get(target, key) {
    const found = Reflect.get(target, key);
    if (typeof key === "symbol" || key === "then" || typeof found === "function") return found;
    if (!Array.isArray(target)) read.add(`${name}.${key}`);
    return watch(found, Array.isArray(target) ? name : `${name}.${key}`);
  }}));
  return watched.get(value);
}
Response.prototype.json = async function () {
  const content = await json.call(this);
  return this.url.endsWith("exhibit.json") ? watch(content, "") : content;
};
"""


def keys_of(schema: dict[str, Any], names: dict[str, Any], before: str = "") -> set[str]:
    """Every key of an object that a schema describes, with those of objects in it behind a point."""
    found = set()
    for part in (schema, *schema.get("anyOf", [])):
        if "$ref" in part:
            found |= keys_of(names[part["$ref"].split("/")[-1]], names, before)
        if "items" in part:
            found |= keys_of(part["items"], names, before)
        for key, content in part.get("properties", {}).items():
            found |= {f"{before}.{key}"} | keys_of(content, names, f"{before}.{key}")
    return found


def test_the_page_reads_all_that_the_manifest_says_and_nothing_else(
    sites: dict[str, Site], learned_sites: dict[str, Site], visit: Any, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "me.png")
    walk, read = f"walk?run={ENCODING}&pins={ENCODING}~last~m0!{ENCODING}~last~m1", set[str]()
    for site in sites.values():
        visitor = visit(site)
        visitor.page.add_init_script(WATCH)
        for view in (*VIEWS, f"map?run={ADVERSARIAL}", f"edit?run={ENCODING}", walk, f"sample?run={CONDITIONAL}"):
            page = visitor.open(view)
            page.wait_for_load_state("networkidle")
        pixels(page)
        page.locator("summary", has_text="Save").click()
        with page.expect_download():
            page.get_by_role("button", name="Latents", exact=False).click()
        visitor.open(f"photo?run={ENCODING}").locator("#photo").set_input_files(tmp_path / "me.png")
        pixels(page, "#reconstruction")
        read |= set(page.evaluate("[...keysRead]"))
    visitor = visit(learned_sites["web"])
    visitor.page.add_init_script(WATCH)
    page = visitor.open("sample")
    pixels(page)
    read |= set(page.evaluate("[...keysRead]"))
    schema = Manifest.model_json_schema()
    assert read == keys_of(schema, schema["$defs"]) - {".mien"}  # for people: which version wrote it


def typed(schema: dict[str, Any]) -> str:
    """A type of a JSON schema, as JSDoc writes it."""
    if "$ref" in schema:
        return str(schema["$ref"].split("/")[-1])
    if "anyOf" in schema:
        return " | ".join(map(typed, schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    if "prefixItems" in schema:
        return f"[{', '.join(map(typed, schema['prefixItems']))}]"
    if schema["type"] == "array":
        return f"{typed(schema['items'])}[]"
    return {"integer": "number"}.get(schema["type"], schema["type"])


def test_the_types_of_the_page_are_those_of_the_manifest() -> None:
    text = page_files()["app/manifest.js"].decode().replace("\n *  ", "")
    written = dict(reversed(found) for found in re.findall(r"@typedef {{(.+)}} (\w+)", text))
    models = Manifest.model_json_schema()["$defs"]
    assert written == {
        name: ", ".join(f"{key}: {typed(content)}" for key, content in model["properties"].items())
        for name, model in models.items()
    }


TOLD = next(name for name in tiny.PROBES if tiny.has_attributes(name) and issubclass(model_class(name), Encodes))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a model whose encoder is told attributes, from a file of the user's own."""
    wanted = [f"model.name={TOLD}", 'model.attributes=["Male", "Smiling"]', "training.steps=32"]
    return tiny.train(tmp_path_factory.mktemp("told") / "run", tiny.recipe(ENCODING, *wanted))


@pytest.fixture(scope="module")
def told_sites(told: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    with sites_of(told.path, tmp_path_factory.mktemp("told-web"), "--model-code", str(TOLD)) as found:
        yield found


@contextmanager
def sites_of(run: Path, folder: Path, *options: str) -> Iterator[dict[str, Site]]:
    """The page of a run by its server, and by a bundle in a folder."""
    export_web(run, folder / "site")
    explore = ["-m", "mien", "explore", str(run), "--port", "0", "--no-browser", *options]
    plain = ["-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder / "site")]
    with serving(explore, r"exploring at \S+:(\d+)/") as server, serving(plain, r"port (\d+)") as static:
        yield {"server": Site("server", server), "web": Site("web", static)}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a model that has learnt a prior."""
    recipe = tiny.recipe(ENCODING, "model.prior=flow", "training.steps=16")
    return tiny.train(tmp_path_factory.mktemp("learned") / "run", recipe)


@pytest.fixture(scope="module")
def learned_sites(learned: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    with sites_of(learned.path, tmp_path_factory.mktemp("learned-web")) as found:
        yield found


@pytest.mark.parametrize(("engine", "most"), [("server", 0), ("web", 16)])  # a bundle's weights are rounded
def test_faces_of_a_seed_go_through_a_learned_prior_and_are_edited_from_there(
    engine: str, most: int, learned: Run, learned_sites: dict[str, Site], visit: Any
) -> None:
    model = mien.open_run(learned.path)
    page = visit(learned_sites[engine]).open("sample?seed=7&count=12")
    pixels(page)
    assert np.abs(images_of(page, ".grid .face") - model.sample(12, seed=7).astype(int)).max() <= most
    page = visit(learned_sites[engine]).open("edit?face=run~last~s7.2.0.5")
    pixels(page, "#edited")
    noise = latents(model.model.latent_dim, 3, 7)[2:] * np.float32(0.5)
    face = model.generate(of_models.carry(model.model, torch.from_numpy(noise)).numpy())[0]
    assert np.abs(images_of(page, "#edited")[0] - face.astype(int)).max() <= most + 1


@pytest.mark.parametrize("engine", ["server", "web"])
def test_an_encoder_is_told_the_attributes_that_the_visitor_sets(
    engine: str, told: Run, told_sites: dict[str, Site], visit: Any, tmp_path: Path
) -> None:
    Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 60).convert("RGB").save(tmp_path / "me.png")
    page = visit(told_sites[engine]).open("photo")
    page.locator("#photo").set_input_files(tmp_path / "me.png")
    shown, model = pixels(page, "#reconstruction"), mien.open_run(told.path)
    usual = model.combinations[0][0]
    for y in (usual, [usual[0], 1 - usual[1]]):
        if y != usual:
            page.get_by_label("Smiling").fill(str(y[1]))
            changed(page, shown, "#reconstruction")
        entered, made = images_of(page, ".pair .face").astype(int)
        expected = model.reconstruct(entered[None].astype(np.uint8), np.array([y], np.float32))[0]
        assert np.abs(made - expected).max() <= (0 if engine == "server" else 16)
    page.get_by_role("button", name="Edit it").click()
    pixels(page, "#edited")
    assert (images_of(page, "#edited")[0] == made).all()


def test_a_face_of_the_map_keeps_what_its_encoder_was_told(told_sites: dict[str, Site], visit: Any) -> None:
    page = visit(told_sites["server"]).open("map")
    expect(page.locator("#map")).to_have_attribute("aria-busy", "false")
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    has = page.locator(".card").inner_text()
    page.keyboard.press("Enter")
    pixels(page, "#tray .face")
    (told,) = re.findall(r"~m\d+~y([01]),([01])", address(page))
    assert told == tuple(str(int(name in has.partition(": ")[2].split(", "))) for name in ("Male", "Smiling"))


def test_names_from_data_are_never_html(sites: dict[str, Site], visit: Any) -> None:
    hostile = "<img src=x onerror=alert(1)>"

    def poison(route: Route, request: Request) -> None:
        content = route.fetch().json()
        content["title"] = content["runs"][0]["name"] = hostile
        content["runs"][2]["attributes"][0] = content["runs"][0]["map"]["attributes"][0] = hostile
        route.fulfill(json=content)

    visitor = visit(sites["server"])
    visitor.page.route("**/exhibit.json", poison)
    for view in (*VIEWS, f"sample?run={CONDITIONAL}", f"map?run={ENCODING}"):
        page = visitor.open(view)
        expect(page.locator("h1")).to_contain_text(hostile)
        assert page.locator("#main img, h1 img, #tray img").count() == 0


def test_every_view_fits_a_narrow_screen_in_the_dark(sites: dict[str, Site], visit: Any) -> None:
    visitor = visit(sites["server"], viewport={"width": 360, "height": 720}, color_scheme="dark")
    for view in VIEWS:
        page = visitor.open(view)
        expect(page.locator("#main")).to_have_attribute("data-view", view)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 25)"


def test_every_control_of_every_view_has_a_name(sites: dict[str, Site], visit: Any) -> None:
    visitor = visit(sites["server"])
    for view in (*VIEWS, f"sample?run={CONDITIONAL}", f"edit?run={CONDITIONAL}"):
        page = visitor.open(view)
        nameless = page.locator("input:not([type=hidden]):visible, select:visible, button:visible").evaluate_all(
            "all => all.filter(c => !(c.labels?.length || c.ariaLabel || c.textContent.trim())).map(c => c.outerHTML)"
        )
        assert not nameless


def test_the_way_back_leads_to_the_view_before(sites: dict[str, Site], visit: Any) -> None:
    page = visit(sites["server"]).open("sample?seed=9")
    page.get_by_role("link", name="Walk").click()
    expect(page.locator("#main")).to_have_attribute("data-view", "walk")
    page.go_back()
    expect(page.locator("#main")).to_have_attribute("data-view", "sample")
    assert "seed=9" in page.url


def test_the_page_asks_for_all_its_modules_at_once(sites: dict[str, Site], visit: Any) -> None:
    page = visit(sites["server"]).open("sample")
    named = page.evaluate("[...document.querySelectorAll('link[rel=modulepreload]')].map(link => link.href)")
    loaded = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    modules = {url for url in loaded if "/app/" in url and not url.endswith(("early.js", "main.js"))}
    assert set(named) == modules


def test_a_bundle_opened_from_the_disk_says_what_to_do(browser: Browser, plan: Path, tmp_path: Path) -> None:
    export_web(plan / ADVERSARIAL, tmp_path / "bundle")
    page = browser.new_page()
    page.goto((tmp_path / "bundle" / "index.html").as_uri())
    expect(page.locator("#problem")).to_contain_text("python -m http.server")
    page.close()


def test_a_report_that_somebody_wrote_runs_no_script_in_a_bundle(browser: Browser, run_of: Any, tmp_path: Path) -> None:
    run = run_of(ADVERSARIAL)
    (run.path / "report").mkdir()
    styled = "<!doctype html><title>asked</title><style>p { color: red }</style><p>numbers</p>"
    (run.path / "report" / "report.html").write_text(f"{styled}<script>document.title = 'ran'</script>")
    export_web(run.path, tmp_path / "site", test_faces=True)
    page = browser.new_page()
    page.goto((tmp_path / "site" / "report" / "report.html").as_uri())
    assert page.title() == "asked"
    expect(page.locator("p")).to_have_css("color", "rgb(255, 0, 0)")
    page.close()
