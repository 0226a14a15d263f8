"""Every command in the documentation runs; below `<!-- long -->` they are checked as far as their arguments go."""

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import last_results
from mien.cli import build_parser
from mien.metrics.numbers import NUMBERS, UNKNOWN, find
from mien.studies.plan import load_plan, plan_recipes

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^(<!-- long -->\n)?```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = [
    (page.name, "long" if long else "short", line.split("  #")[0].strip())
    for page in PAGES
    for long, kind, text in BLOCK.findall(page.read_text())
    if kind != "python"
    for line in text.splitlines()
    if line.strip() and not line.startswith("#")
]


TRAINS = ("mien train ", "mien run ", "mien study ")
TRAINING = {page for page, kind, line in COMMANDS if kind == "short" and line.startswith(TRAINS)}


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.long if page.name in TRAINING else (), id=page.name) for page in PAGES],
)
def test_the_short_commands_of_a_page_run_in_order(page, tmp_path):
    for name, kind, line in COMMANDS:
        if name == page.name and kind == "short" and line.startswith("mien "):
            command = [sys.executable, "-m", "mien", *shlex.split(line)[1:]]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.mark.parametrize("line", [line for _, _, line in COMMANDS if "mien " in line])
def test_a_documented_command_is_one_that_mien_has(line):
    words = shlex.split(line)
    words = words[words.index("mien") + 1 :]
    parsed = build_parser()[1][words[0]].parse_intermixed_args(words[1:])
    if words[0] == "run":
        plan_recipes(load_plan(parsed.plan), parsed.overrides)


@pytest.mark.parametrize("line", [line for _, _, line in COMMANDS if line.startswith("make ")])
def test_a_documented_word_of_make_is_in_the_makefile(line):
    assert f"\n{line.split()[1]}: " in (ROOT / "Makefile").read_text()


HEADING = re.compile(r"^(#{1,6}) (.+?)\s*$", re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, built; a link or an anchor that leads nowhere is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_a_page_of_the_site_has_the_headings_and_blocks_of_its_source(page: Path, site: Path) -> None:
    source = page.read_text(encoding="utf-8")
    outside = re.sub(r"^( *)```.*?^\1```", "", source, flags=re.MULTILINE | re.DOTALL)
    built = (site / ("" if page.name == "index.md" else page.stem) / "index.html").read_text(encoding="utf-8")
    main = built[built.index('role="main"') :]
    assert len(re.findall(r"<h[1-6]\b", main)) == len(HEADING.findall(outside))
    assert main.count('<pre><code class="language-') == len(re.findall(r"^ *```\w+$", source, re.MULTILINE))
    assert "```" not in main
    assert len(re.findall(r"<table\b", main)) == len(re.findall(r"^\|[-:| ]+\|$", outside, re.MULTILINE))


def test_the_results_that_verification_tells_of_are_those_recorded(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["last_results.py", "--check"])
    assert last_results.main() == 0


@pytest.mark.long
def test_the_python_of_the_documentation_runs(tmp_path):
    for page in PAGES:
        for _, kind, text in BLOCK.findall(page.read_text()):
            if kind == "python":
                done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True)
                assert done.returncode == 0, f"{page.name}\n{done.stderr}"


def test_the_tables_of_numbers_are_those_that_are_declared():
    page = (ROOT / "docs" / "measuring.md").read_text(encoding="utf-8")
    script = runpy.run_path(str(ROOT / "docs" / "write_metric_tables.py"))
    assert script["written"](page) == page, "run python docs/write_numbers.py"
    listed = {metric for _, metrics, _ in script["BLOCK"].findall(page) for metric in metrics.split(", ")}
    assert listed == {number.metric for number in NUMBERS}


def test_the_numbers_of_the_quick_plan_that_pages_show_are_declared(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    script = runpy.run_path(str(ROOT / "docs" / "write_numbers.py"))
    places = [found[1] for page in PAGES for found in script["PLACE"].findall(page.read_text(encoding="utf-8"))]
    names = [name for place in places if place not in script["facts"]() for name in place.split()[2].split("/")]
    assert len(names) > 10
    assert UNKNOWN not in {find(name).number for name in names}
