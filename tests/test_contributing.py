"""CONTRIBUTING.md: these tests write its files, insert its lines, run its commands, and look at the outcome."""

import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import tiny
from mien.cli import main
from mien.faces import open_faces
from mien.runs.folder import Run

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")}
OWN, INSIDE, METRIC, READER, VIEW = list(SECTIONS)[1:6]
FILE = re.compile(r"^A file `([^`]+)`[^\n]*:\n\n```(?:python|toml)\n(.*?)```", re.MULTILINE | re.DOTALL)
LINES = re.compile(r"^In `([^`]+)`:\n\n```diff\n(.*?)```", re.MULTILINE | re.DOTALL)


def written(section: str, folder: Path) -> Path:
    """A folder with the files that a section gives, and with its lines where they belong."""
    text = SECTIONS[section]
    for name, code in FILE.findall(text):
        (folder / name).write_text(code, encoding="utf-8")
    for name, diff in LINES.findall(text):
        place = -1
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        for line in diff.splitlines():
            if line.startswith("+"):
                place += 1
                lines.insert(place, line[1:])
            else:
                place = lines.index(line[1:])
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert text.count("```diff") == len(LINES.findall(text))
    return folder


def commands(section: str) -> list[str]:
    """What a section runs."""
    return [
        line for block in re.findall(r"```sh\n(.*?)```", SECTIONS[section], re.DOTALL) for line in block.splitlines()
    ]


def package(section: str, folder: Path) -> Path:
    """A copy of the package with what a section adds to it."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return written(section, folder)


def run(command: str, folder: Path) -> str:
    """Run a command of mien by the package in a folder.  -> what it printed"""
    words = [sys.executable, "-m", *shlex.split(command)]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which somebody has followed the page: a model of their own, trained, measured and reported."""
    folder = written(OWN, tmp_path_factory.mktemp("own"))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        for command in commands(OWN):
            assert main(shlex.split(command)[1:]) == 0, command
    return folder


def test_a_model_of_ones_own_is_under_sixty_lines_and_is_reported_by_its_own_names(own: Path) -> None:
    code = (own / "wgan_gp.py").read_text(encoding="utf-8")
    assert len(code.splitlines()) < 60
    assert code == (Path(__file__).parent / "probes" / "wgan_gp.py").read_text(encoding="utf-8")  # which is tried more
    page = (own / "wgan" / "report" / "report.html").read_text(encoding="utf-8")
    for words in ("Gradient penalty: distance of the critic&#39;s slope from 1", "WGAN-GP", "Critic&#39;s scores"):
        assert words in page
    assert "fd_judge" in (own / "wgan" / "metrics.json").read_text(encoding="utf-8")
    line = Run(own / "wgan").log()[-1]
    assert {"critic/scores", "critic/penalty", "generator/score"} <= line.keys()
    with Image.open(own / "samples.png") as samples:
        assert samples.size[0] > 32


def test_a_model_inside_the_package_is_a_file_and_a_line(own: Path, tmp_path: Path) -> None:
    folder = package(INSIDE, tmp_path)
    (name,) = re.findall(r"^A file `([^`]+)`: the code of `wgan_gp.py`\.$", SECTIONS[INSIDE], re.MULTILINE)
    shutil.copy(own / "wgan_gp.py", folder / name)
    shutil.copy(own / "faces.toml", folder)
    for command in commands(INSIDE):
        said = run(command, folder)
    assert "running the code" not in said
    assert 'name = "wgan-gp"' in (folder / "wgan-inside" / "recipe.toml").read_text(encoding="utf-8")
    inside, outside = (tiny.tensors(Run(path).weights) for path in (folder / "wgan-inside", own / "wgan"))
    assert tiny.same(inside, outside)


@pytest.fixture
def with_a_run(own: Path, tmp_path: Path) -> Path:
    """A folder with a run that is trained already."""
    shutil.copytree(own / "wgan", tmp_path / "wgan")
    shutil.copy(own / "wgan_gp.py", tmp_path)
    return tmp_path


@pytest.mark.long
def test_a_metric_is_a_function_its_declarations_and_a_line(with_a_run: Path) -> None:
    folder = package(METRIC, with_a_run)
    for command in commands(METRIC):
        run(command, folder)
    scores = Run(folder / "wgan").metrics()
    faces = open_faces("drawn:200", size=32)
    expected = np.mean([colourfulness_by_hand(image) for image in faces.images[faces.rows("test")]])
    assert scores["colourfulness_real"].value == pytest.approx(expected, rel=1e-6)
    assert scores["colourfulness_samples"].images == 2_000
    page = (folder / "wgan" / "report" / "report.html").read_text(encoding="utf-8")
    assert "Colourfulness" in page
    assert "spread and mean of opponent colours" in page


def colourfulness_by_hand(image: NDArray[np.uint8]) -> float:
    """Of one image, from the paper's formulas, a pixel at a time."""
    pixels = [tuple(map(int, pixel)) for row in image for pixel in row]
    opponents = [red - green for red, green, _ in pixels], [0.5 * (red + green) - blue for red, green, blue in pixels]
    spread = sum(statistics.pvariance(values) for values in opponents) ** 0.5
    return spread + 0.3 * sum(statistics.mean(values) ** 2 for values in opponents) ** 0.5


def test_a_reader_is_a_function_and_a_line(tmp_path: Path) -> None:
    folder = package(READER, tmp_path)
    (folder / "UTKFace").mkdir()
    random = np.random.default_rng(0)
    for number in range(40):
        pixels = random.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        name = f"{number + 1}_{int(number >= 30)}_{number % 5}_201701161745{number:05}.jpg.chip.jpg"
        Image.fromarray(pixels).save(folder / "UTKFace" / name)
    (command,) = commands(READER)
    said = run(command, folder)
    assert "UTKFace's layout" in said
    counts = map(int, re.search(r"(\d+) train, (\d+) validation, (\d+) test", said).groups())
    shares = map(float, re.search(r"Female +([\d.]+)% +([\d.]+)% +([\d.]+)%", said).groups())
    assert round(sum(count * share / 100 for count, share in zip(counts, shares, strict=True))) == 10


def test_a_view_is_a_function_and_a_line(with_a_run: Path) -> None:
    folder = package(VIEW, with_a_run)
    before = (folder / "wgan" / "report" / "report.html").read_text(encoding="utf-8")
    for command in commands(VIEW):
        run(command, folder)
    page = (folder / "wgan" / "report" / "report.html").read_text(encoding="utf-8")
    caption = "Samples of the WGAN-GP whose latents are scaled."
    assert caption in page
    assert caption not in before
    assert page.count("<img") == before.count("<img") + 1
