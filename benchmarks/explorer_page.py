"""How quick the explorer's page is in Chromium: first paint, first face, and a slider's move; and the bundle's size.

Each for `mien explore` and for the static bundle behind Python's own server, on this machine. Every start is that of a
new browser profile with nothing cached. A move is from the slider's event to the frame in which the new face is shown.

    python benchmarks/explorer_page.py runs/coursework/vae
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from explorer import PERCENTILES, serving
from measuring import ceilings, conditions_in_words, table, write_csv
from playwright.sync_api import Browser, Page, sync_playwright

from mien.explorer.bundle import export_web

WARM_UP = 10  # moves that are not counted
FIRST_FACE = ".grid .face[data-painted]"
SECONDS_SINCE_START = "performance.now() / 1000"
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
MOVES = """
async count => {
  const input = document.querySelector('.controls input[type=range]');
  const face = document.querySelector('#edited');
  const taken = [];
  for (let move = 0; move < count; move += 1) {
    const painted = new Promise(resolve => {
      const observer = new MutationObserver(() => (observer.disconnect(), resolve()));
      observer.observe(face, { attributes: true, attributeFilter: ['data-painted'] });
    });
    const started = performance.now();
    input.value = String((move % 40) / 20 - 1);
    input.dispatchEvent(new Event('input', { bubbles: true }));
    await painted;
    await new Promise(requestAnimationFrame);
    taken.push(performance.now() - started);
  }
  return taken;
}
"""
Rows = list[dict[str, Any]]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a trained run whose model encodes")
    parser.add_argument("--starts", type=int, default=5, help="of the page")
    parser.add_argument("--moves", type=int, default=100, help="of a slider")
    given = parser.parse_args()
    here = ceilings(seconds=1)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        bundle = Path(folder) / "bundle"
        size = sum(part.size for part in export_web(given.run, bundle))
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        with serving(given.run, "pytorch") as connection:
            rows = measured(browser, "server", f"http://{connection.host}:{connection.port}/", given)
        with serving_folder(bundle) as address:
            rows += measured(browser, "static bundle", address, given)
        rows.append({"engine": "static bundle", "what": "size of the bundle, MB", "median": size / 1e6})
        version = browser.version
        browser.close()
    write_csv("explorer_page", [{**row, "chromium": version} for row in rows], trials=given.starts, ceilings=here)
    print(conditions_in_words(here) + f"; Chromium {version}\n")
    print(
        table(
            rows, {"what": "what", "engine": "engine", "median": "median", "p95": "95 % within", "largest": "largest"}
        )
    )


def chromium() -> str:
    """Where Chromium is."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        sys.exit("no Chromium here: install the package chromium")
    return found


@contextmanager
def serving_folder(folder: Path) -> Iterator[str]:
    """Python's own server of static files.  -> its address"""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            said = re.search(r"port (\d+)", process.stdout.readline())
            assert said
            yield f"http://127.0.0.1:{said[1]}/"
        finally:
            process.terminate()


def measured(browser: Browser, engine: str, address: str, given: argparse.Namespace) -> Rows:
    """Starts of the page, and moves of a slider."""
    paints, faces = zip(*(start(browser, address) for _ in range(given.starts)), strict=True)
    page = browser.new_page()
    page.goto(f"{address}#edit")
    page.wait_for_selector("#edited[data-painted]")
    moves = moved(page, given.moves)
    page.close()
    return [
        row(engine, "first paint, s", paints),
        row(engine, "first faces, s", faces),
        row(engine, "a slider's move, ms", moves),
    ]


def start(browser: Browser, address: str) -> tuple[float, float]:
    """Seconds from the start until something is painted, and until faces are."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}#sample")
    page.wait_for_selector(FIRST_FACE)
    face = page.evaluate(SECONDS_SINCE_START)
    paint = page.evaluate(PAINT)
    context.close()
    return float(paint), float(face)


def moved(page: Page, count: int) -> list[float]:
    """Milliseconds that each move of a slider takes, after some that warm up."""
    page.evaluate(MOVES, WARM_UP)
    return [float(taken) for taken in page.evaluate(MOVES, count)]


def row(engine: str, what: str, figures: Sequence[float]) -> dict[str, Any]:
    """A row of the results."""
    half, most = np.percentile(figures, [PERCENTILES[0], PERCENTILES[1]])
    return {
        "engine": engine,
        "what": what,
        "median": float(half),
        "p95": float(most),
        "largest": max(figures),
        "figures": len(figures),
    }


if __name__ == "__main__":
    main()
