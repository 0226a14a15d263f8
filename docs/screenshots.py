"""Takes the pictures of the explorer that the documentation shows: one of each view, and two of a narrow dark one.

Needs Chromium and the package playwright. The plan has to have a VAE called vae and an AC-GAN called acgan.

    python docs/screenshots.py runs/coursework
"""

import argparse
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
WIDE, NARROW = {"width": 1280, "height": 860}, {"width": 360, "height": 740}
QUALITY = 82  # of the JPEGs
PINS = "pins=vae~last~m8!vae~last~m21!vae~last~m40!acgan~last~s1.2.1~y1"
VIEWS = {
    "sample": "sample?run=acgan&seed=1&set=Male:1&" + PINS,
    "edit": "edit?run=vae&face=vae~last~m21~d3:1.2,9:1&before=vae~last~m21&" + PINS,
    "walk": "walk?run=vae&" + PINS,
    "map": "map?run=vae&" + PINS,
    "compare": "compare?seed=1&film=700",
    "numbers": "numbers?run=vae",
}
NARROW_VIEWS = {"narrow-edit": VIEWS["edit"], "narrow-map": VIEWS["map"]}


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=Path, metavar="PLAN", help="folder of a trained plan")
    parser.add_argument("--photo", type=Path, metavar="FILE", help="for My photo (default: a test face of the map)")
    parser.add_argument("--out", type=Path, default=IMAGES)
    given = parser.parse_args()
    with exploring(given.plan) as address, sync_playwright() as playwright:
        chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = new_page(browser, WIDE, "light")
        for name, view in VIEWS.items():
            take(page, f"{address}#{view}", given.out / f"explorer-{name}.jpg")
        take_photo(page, address, given.photo, given.out / "explorer-photo.jpg")
        page = new_page(browser, NARROW, "dark")
        for name, view in NARROW_VIEWS.items():
            take(page, f"{address}#{view}", given.out / f"explorer-{name}.jpg")
        browser.close()


@contextmanager
def exploring(plan: Path) -> Iterator[str]:
    """`mien explore`.  -> its address"""
    command = [sys.executable, "-u", "-m", "mien", "explore", str(plan), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            said = next(filter(None, (re.search(r"http://\S+/", line) for line in process.stdout)))
            yield said[0]
        finally:
            process.terminate()


def new_page(browser: Browser, viewport: dict[str, int], scheme: str) -> Page:
    """A page in which nothing moves by itself."""
    return browser.new_page(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]


def take(page: Page, address: str, file: Path) -> None:
    """A picture of a view, once all that it shows is there."""
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector("#main h2", state="attached")
    shoot(page, file)


def take_photo(page: Page, address: str, photo: Path | None, file: Path) -> None:
    """A picture of My photo, with a photograph."""
    with tempfile.TemporaryDirectory() as folder:
        if photo is None:
            photo = Path(folder) / "face.png"
            save_test_face(address, photo)
        page.goto("about:blank")
        page.goto(f"{address}#photo?run=vae")
        page.locator("#photo").set_input_files(photo)
        page.wait_for_selector("#reconstruction[data-painted]")
        shoot(page, file)


def save_test_face(address: str, file: Path) -> None:
    """The first face of the VAE's map, as a file."""
    with urlopen(f"{address}exhibit.json") as manifest:
        cell = next(run for run in json.load(manifest)["runs"] if run["id"] == "vae")["map"]["cell"]
    with urlopen(f"{address}runs/vae/map/faces.jpg") as sprite:
        Image.open(io.BytesIO(sprite.read())).crop((0, 0, cell, cell)).save(file)


def shoot(page: Page, file: Path) -> None:
    """Wait until faces are painted and messages gone, and take the picture."""
    page.wait_for_function(
        "() => [...document.querySelectorAll('.face')].every(face => face.dataset.painted || !face.checkVisibility())"
        " && !document.querySelector('[aria-busy=true]')"
    )
    page.wait_for_selector("#status:not([data-seen])", state="attached")
    page.wait_for_timeout(300)
    file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=file, type="jpeg", quality=QUALITY)
    print(f"{file}: {file.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
