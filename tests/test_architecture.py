"""Which room stands above which, and what must not be imported for `--help` to be instant."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import get_args

import pytest

import mien
from mien.models import MODELS, model_class
from mien.recipes.recipe import Room, presets

SOURCE, TESTS = Path(mien.__file__).parent, Path(__file__).parent

# From the ground up: a room imports itself and the rooms before it, and no other.
LAYERS = (
    "version",
    "errors",
    "seeds",
    "files",
    "health",
    "faces",
    "models",
    "pictures",
    "training",
    "recipes",
    "judge",
    "runs",
    "export",
    "metrics",
    "sessions",
    "studies",
    "report",
    "api",
    "__init__",
    "explorer",
    "cli",
    "__main__",
)
SHARED_NAMES = {"__init__"}  # of files; any other name is of one file alone


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """What a module imports of mien, at its top or in its functions, as 'models.base'; not what only types need."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {id(node) for test in ast.walk(tree) if is_type_checking(test) for node in ast.walk(test)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (place(alias.name) for alias in node.names if alias.name.split(".")[0] == "mien")
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mien":
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (place(name) if is_module(name) else place(node.module) for name in inside)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def is_module(name: str) -> bool:
    path = SOURCE.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def place(name: str) -> str:
    return name.removeprefix("mien").removeprefix(".") or "__init__"


def circles(imports: dict[str, set[str]]) -> set[str]:
    """The modules that are in a circle of imports, or import one: what is left when all others are taken away."""
    left = dict(imports)
    while free := [name for name, others in left.items() if not others & (left.keys() - {name})]:
        for name in free:
            del left[name]
    return set(left)


def test_every_room_stands_in_one_place() -> None:
    rooms = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert sorted(LAYERS) == sorted(rooms)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_imports_its_room_and_those_below(path: Path) -> None:
    below = LAYERS[: LAYERS.index(room_of(path)) + 1]
    assert not {name for name in imported(path) if name.split(".")[0] not in below}


def test_no_two_modules_import_each_other() -> None:
    names = {str(path.relative_to(SOURCE).with_suffix("")).replace("/", "."): path for path in modules()}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    assert not circles({name: set(imported(path)) & names.keys() for name, path in names.items()})


def test_no_two_files_share_a_name() -> None:
    names = [path.stem for path in modules() if path.stem not in SHARED_NAMES]
    assert sorted(names) == sorted(set(names))


def said(path: Path) -> Iterator[str]:
    """Identifiers and texts of a module, with its docstrings and without examples of commands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not node.value.startswith("mien "):
            yield node.value


def names_of(model: str) -> set[str]:
    return {model, model_class(model).__name__, model_class(model).title}


def naming(models: Iterable[str]) -> re.Pattern[str]:
    """Whether a text names one of these models, as a word of a sentence, of a path or of an identifier."""
    names = {name for model in models for name in names_of(model)}
    return re.compile(rf"(?<![^\W_])({'|'.join(map(re.escape, names))})(?![^\W_])", re.IGNORECASE)


def test_no_module_but_its_own_names_a_model() -> None:
    """What holds for one model alone stands in that model's file: another file would be wrong for the next model."""
    files = {SOURCE.joinpath(*where.partition(":")[0].split(".")[1:]).with_suffix(".py") for where in MODELS.values()}
    others = [path for path in modules() if path not in files and path != SOURCE / "models" / "__init__.py"]
    pattern = naming(MODELS)
    found = {(str(path.relative_to(SOURCE)), text) for path in others for text in said(path) if pattern.search(text)}
    assert not found, "name what a model can do, or let the model say it of itself"


@pytest.mark.parametrize("path", sorted(TESTS.glob("*.py")), ids=lambda path: path.name)
def test_no_test_but_its_own_names_a_model(path: Path) -> None:
    """A test asks for what a model can do (`tiny.ENCODING`), so that it holds for models that are yet to come.

    Recipes, plans and studies that come with mien have names of their own, such as vae-quick.
    """
    own = {model for model in MODELS if path.name == f"test_{model}.py"}
    allowed = [*(name for room in get_args(Room) for name in presets(room)), *chain(*map(names_of, own))]
    text = re.sub(rf"(?<![\w-])({'|'.join(allowed)})(?![\w-])", "", path.read_text(encoding="utf-8"))
    pattern = naming(MODELS.keys() - own)
    assert not [line for line in text.splitlines() if pattern.search(line)], "name what a model can do"


def test_relative_imports_are_not_used() -> None:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in modules()}
    assert not [p for p, tree in trees.items() for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level]


@pytest.mark.parametrize(
    "module", ["api", "cli", "errors", "metrics.numbers", "recipes.recipe", "report.figures", "runs.folder"]
)
def test_what_a_start_needs_loads_no_torch(module: str) -> None:
    program = f"import mien.{module}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_exported_model_is_read_without_torch_or_recipes() -> None:
    """pydantic, which checks its metadata, takes 0.05 s of the 0.25 s that the import takes."""
    program = "import mien.export.runtime, sys; sys.exit(bool({'torch', 'mien.recipes.recipe'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_help_loads_neither_torch_nor_anything_else_that_is_slow(command: str) -> None:
    program = (
        "import sys; from mien.cli import main\n"
        f"try: main(['{command}', '--help'])\n"
        "except SystemExit: sys.exit(bool({'torch', 'numpy', 'pydantic', 'matplotlib', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0
