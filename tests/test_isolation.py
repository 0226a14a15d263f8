"""The main jobs unpickle nothing, execute nothing out of data and talk to nobody; names that are scripts are text."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import isolated
import mien
from asking import Explorer
from awkward import numbered, write
from mien.explorer.site import open_site
from mien.report.write import compare_runs
from tiny import CONDITIONAL, ENCODING

SOURCES = sorted(Path(mien.__file__).parent.rglob("*.py"))
UNSAFE_MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "joblib", "yaml", "code"}
UNSAFE_NAMES = {"eval", "exec", "compile", "__import__", "execfile", "breakpoint"}
UNSAFE_CALLS = {"torch.load", "torch.save", "torch.jit.load", "torch.hub", "os.system", "os.popen"}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MARKED = ("<script>window.harmed=1</script>", '"><img src=x onerror=window.harmed=2>', "{{7*7}}${7*7}")
TITLE = f"<script>window.harmed=3</script>{isolated.CANARY}{{{{7*7}}}}"
ALONE = ["unshare", "--map-root-user", "--net"]
SMALL = """name = "small"
data = {{source = {source}, size = 32}}
health = false
model = {{name = "{model}", latent_dim = 8, width = 4}}
training = {{batch_size = 16, steps = 4, device = "cpu"}}
"""
STUDY = """name = "strange-study"
title = "Two weights"
recipe = "small.toml"
metrics = ["sharpness"]
[vary]
"model.kl_weight" = [0.5, 1e-4]
[[axes]]
metric = "sharpness_samples"
label = "<script>window.harmed=6</script>"
"""


# In the source


def dotted(node: ast.AST) -> str:
    """'torch.jit.load' for what is written so; '' for anything else."""
    if isinstance(node, ast.Attribute) and (before := dotted(node.value)):
        return f"{before}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def unsafe(tree: ast.AST) -> Iterator[str]:
    """Whatever in a module could turn a file into code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in UNSAFE_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (node.module for _ in names if node.module.split(".")[0] in UNSAFE_MODULES)
            yield from names & (UNSAFE_CALLS | {f"builtins.{name}" for name in UNSAFE_NAMES})
        elif isinstance(node, ast.Name) and node.id in UNSAFE_NAMES:
            yield node.id
        elif isinstance(node, ast.Attribute) and any(dotted(node).startswith(call) for call in UNSAFE_CALLS):
            yield dotted(node)
        elif isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "shell") and not is_false(node.value):
            yield node.arg


def is_false(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-2:]))
def test_no_module_can_turn_a_file_into_code(path: Path) -> None:
    """But one: it runs the code of a model that the user names (tests/test_own_models.py)."""
    allowed = {"exec", "compile"} if path.parts[-2:] == ("models", "own_code.py") else set()
    assert set(unsafe(ast.parse(path.read_text(encoding="utf-8")))) <= allowed


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import torch.jit\ntorch.jit.load(path)",
        "from torch import load",
        "torch.load(path, weights_only=True)",
        "eval('1')",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(words, shell=True)",
        "import numpy, joblib",
    ],
)
def test_what_could_turn_a_file_into_code_is_seen(line: str) -> None:
    assert list(unsafe(ast.parse(line)))


# At run time: a plan of faces whose names are scripts, in a process of its own


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Faces with a table of strange names, a plan with a strange title, and a study of the same faces in a .zip."""
    folder = tmp_path_factory.mktemp("strange")
    names = numbered(110, "<img src=x onerror=window.harmed=4>")
    write(folder / "faces", *names)
    (folder / "faces" / "<b onclick=window.harmed=5>.png").write_bytes(b"")
    head = ["file", *(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in MARKED)]
    rows = [f"{name},{at % 2},{at // 2 % 2},{at // 4 % 2}" for at, name in enumerate(names)]
    (folder / "faces" / "table.csv").write_text("\n".join([",".join(head), *rows]))
    shutil.make_archive(str(folder / "faces"), "zip", folder / "faces")
    (folder / "study.toml").write_text(STUDY)
    (folder / "small.toml").write_text(SMALL.format(source=json.dumps(str(folder / "faces.zip")), model=ENCODING))
    recipes = json.dumps(["vae-quick", "acgan-quick"])
    (folder / "strange.toml").write_text(f'name = "strange"\ntitle = {json.dumps(TITLE)}\nrecipes = {recipes}\n')
    return folder


def alone() -> list[str]:
    """What starts a program in a network of its own; nothing where that cannot be done."""
    allowed = shutil.which("unshare") and subprocess.run([*ALONE, "true"], capture_output=True, check=False)
    return ALONE if allowed and allowed.returncode == 0 else []


@pytest.fixture(scope="module")
def tried(folder: Path) -> dict[str, list[str]]:
    """What the main jobs tried that they must not; they leave a plan in the folder."""
    program = [*alone(), sys.executable, isolated.__file__, str(folder)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


ATTEMPTS = """
import contextlib, json, pickle, socket, isolated
isolated.cut_off()
import torch
for attempt in (
    lambda: pickle.loads(b""), lambda: pickle.Unpickler(None), lambda: torch.load("x"), lambda: torch.jit.load("x"),
    lambda: compile(isolated.CANARY, "data", "eval"), lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
    lambda: socket.getaddrinfo("example.org", 80), lambda: socket.socket().connect(("192.0.2.1", 80)),
):
    with contextlib.suppress(AssertionError, OSError):
        attempt()
print(json.dumps(isolated.tried))
"""


def test_what_must_not_be_tried_is_noticed() -> None:
    tests = Path(isolated.__file__).parent
    done = subprocess.run([sys.executable, "-c", ATTEMPTS], cwd=tests, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["unpickled"] == ["pickle.loads", "pickle.Unpickler", "torch.load", "torch.jit.load"]
    assert (found["compiled"], len(found["reached"])) == (["data"], 3)


@pytest.mark.long
def test_nothing_is_unpickled(tried: dict[str, list[str]]) -> None:
    assert tried["unpickled"] == []


@pytest.mark.long
def test_no_text_of_the_data_is_compiled_or_executed(tried: dict[str, list[str]]) -> None:
    assert (tried["executed"], tried["compiled"]) == ([], [])


@pytest.mark.long
def test_nothing_is_sent_anywhere(tried: dict[str, list[str]]) -> None:
    assert tried["reached"] == []


@pytest.mark.long
@pytest.mark.skipif(not alone(), reason="`unshare` may not cut off the network here: only Python's events were watched")
def test_nothing_is_sent_anywhere_where_there_is_no_network_either(tried: dict[str, list[str]]) -> None:
    there = subprocess.run([*alone(), "cat", "/proc/net/dev"], capture_output=True, text=True, check=True).stdout
    assert [line.split(":")[0].strip() for line in there.splitlines()[2:]] == ["lo"]
    assert tried["reached"] == []


# Names that are scripts, in a browser


@pytest.fixture(scope="module")
def pages(folder: Path, tried: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    """Addresses of a report, of a page that compares, both as files and without a policy, and of the explorer."""
    strange = folder / MARKED[1].replace("/", "")
    shutil.copytree(folder / "plan" / ENCODING, strange)
    report = compare_runs([strange, folder / "plan" / CONDITIONAL], names=["sharpness"], out=folder / "again")
    explorer = Explorer(open_site([folder / "plan", strange]))
    yield {
        "report": (folder / "plan" / "report" / "report.html").as_uri(),
        "compared": report.as_uri(),
        "explorer": f"http://127.0.0.1:{explorer.port}/",
    }
    explorer.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


HARM = """() => [
    window.harmed,
    ...[...document.querySelectorAll('*')].flatMap(element => [...element.attributes])
        .filter(attribute => attribute.name.startsWith('on')).map(attribute => attribute.name),
    ...[...document.querySelectorAll('script:not([src]), img[src="x"], iframe, object, embed')].map(e => e.outerHTML),
].filter(found => found !== undefined)"""


def visit(browser: Any, address: str) -> str:
    """Look at a page.  -> its text; fails where anything in it acted"""
    page, said = browser.new_page(), list[str]()
    page.on("dialog", lambda dialog: (said.append("dialog"), dialog.dismiss()))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    page.wait_for_timeout(300)
    harm, text = page.evaluate(HARM), page.locator("body").inner_text()
    page.close()
    assert (harm, said) == ([], [])
    assert "49$49" not in text
    return str(text)


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's package chromium")
@pytest.mark.parametrize("page", ["report", "compared"])
def test_names_that_are_scripts_stand_in_a_report_as_text(pages: dict[str, str], browser: Any, page: str) -> None:
    text = visit(browser, pages[page])
    assert (TITLE if page == "report" else MARKED[1].replace("/", "")) in text


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's package chromium")
@pytest.mark.parametrize("view", ["sample", "edit", "photo", "walk", "map", "compare", "numbers"])
def test_names_that_are_scripts_stand_in_the_explorer_as_text(pages: dict[str, str], browser: Any, view: str) -> None:
    texts = [visit(browser, f"{pages['explorer']}#{view}?run={run}") for run in (CONDITIONAL, ENCODING)]
    if view == "sample":
        assert MARKED[0] in texts[0]
