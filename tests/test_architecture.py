"""Who may import whom: the table of the design, and what must not be imported for `--help` to be instant."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mien

SOURCE = Path(mien.__file__).parent
ROOMS = sorted(path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists())

# A room may import itself, and of the others these: a whole room, or only one module of it.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "foreign": {"errors"},
    "losses": {"errors"},
    "nets": {"errors"},
    "ema": {"errors"},
    "figures": {"errors"},
    "hardware": {"errors"},
    "checkpoint": {"foreign", "errors"},
    "faces": {"errors"},
    "health": {"errors"},
    "models": {"faces.batches", "losses", "nets", "errors"},
    "meter": {"models.base"},
    "optimizers": set(),
    "replay": {"errors", "faces.batches", "models.base"},
    "train": {"checkpoint", "ema", "errors", "faces", "hardware", "meter", "models.base", "optimizers", "replay"},
    "recipe": {"errors", "models", "train"},
    "judge": {"faces", "models.base", "nets", "train", "checkpoint", "hardware", "errors"},
    "studies": {"errors"},
    "runs": {"recipe", "foreign", "errors", "__init__"},
    "sampling": {"errors"},
    "views": {"faces", "models.base", "sampling"},
    "protobuf": set(),
    "onnx_files": {"foreign", "protobuf", "errors"},
    "exported": {"foreign", "onnx_files", "sampling", "errors"},
    "export": {
        "explorer.exhibit",
        "explorer.faces",
        "exported",
        "onnx_files",
        "trained",
        "runs",
        "plans.training",
        "views",
        "models.base",
        "errors",
        "__init__",
    },
    "trained": {"foreign", "sampling", "views", "faces", "recipe", "models", "checkpoint", "hardware", "errors"},
    "metrics": {"faces", "losses", "models.base", "trained", "views", "judge", "hardware", "errors"},
    "report": {
        "health",
        "studies",
        "runs",
        "views",
        "figures",
        "trained",
        "faces",
        "recipe",
        "models",
        "errors",
        "__init__",
    },
    "explorer": {
        "runs",
        "views",
        "trained",
        "faces",
        "models.base",
        "plans",
        "export.onnx",
        "exported",
        "report.meanings",
        "errors",
        "__init__",
    },
    "output": {"errors"},
    "terminal": {"errors", "output"},
    "doctor": {"faces", "hardware", "runs", "__init__"},
    "__init__": {"errors", "exported", "faces", "plans", "runs", "trained"},
    "__main__": {"cli"},
}
ALL_BUT_CLI = {room for room in ROOMS if room not in ("cli", "__main__")}
MAY_IMPORT["plans"] = ALL_BUT_CLI - {"terminal", "doctor", "explorer", "export", "__init__"}
MAY_IMPORT["cli"] = ALL_BUT_CLI


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


def test_every_room_stands_in_the_table() -> None:
    assert set(MAY_IMPORT) == set(ROOMS)
    assert {name.split(".")[0] for allowed in MAY_IMPORT.values() for name in allowed} <= set(ROOMS)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    room = room_of(path)
    allowed = MAY_IMPORT[room] | {room}
    strangers = {name for name in imported(path) if not allowed & {name, name.split(".")[0]}}
    assert not strangers


def test_only_the_report_knows_a_single_model_and_only_its_equivalent_beta() -> None:
    one_model = {"models.vae", "models.gan", "models.acgan"}
    knowing = {(room_of(path), name) for path in modules() for name in imported(path) if name in one_model}
    assert {pair for pair in knowing if pair[0] != "models"} <= {("report", "models.vae")}


def test_only_files_that_must_know_how_models_are_trained_do() -> None:
    knowing = {room_of(path) for path in modules() if "train" in set(imported(path))}
    assert knowing == {"recipe", "plans", "judge"}


def test_relative_imports_are_not_used() -> None:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in modules()}
    assert not [p for p, tree in trees.items() for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level]


@pytest.mark.parametrize("statement", ["import mien, mien.errors, mien.cli", "import mien.figures"])
def test_importing_the_command_line_or_the_figures_loads_no_torch(statement: str) -> None:
    program = f"{statement}; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_exported_model_is_read_without_torch_or_the_checks_of_recipes() -> None:
    program = "import mien.exported, sys; sys.exit(bool({'torch', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_help_loads_neither_torch_nor_anything_else_that_is_slow() -> None:
    program = (
        "import sys; from mien.cli import main\n"
        "try: main(['run', '--help'])\n"
        "except SystemExit: sys.exit(bool({'torch', 'numpy', 'pydantic', 'matplotlib', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0
