"""Models of the user's own: a class in a file, or in a module that can be imported.

A recipe that a user gives runs the code it names, and says so. A run folder may come from a stranger, so its code runs
only if this user has given the same file before: to a training, or as `--model-code`. Files are compared by checksum.
"""

import hashlib
import importlib
import logging
import re
import sys
from pathlib import Path
from types import ModuleType

from mien.errors import RecipeError, RunError, did_you_mean, in_one_line, quoted, shown

CODE_FILE = "model_code.py"  # in a run's folder: the file as it was when training began
ENDING = ".py"
OWN_NAME = re.compile(r"(.{1,4000}\.py|[A-Za-z_][\w.]{0,400}):[A-Za-z_]\w{0,200}")
MOST_BYTES = 2**20  # of such a file
_modules: dict[str, ModuleType] = {}  # by the file's checksum: equal code is one module, whichever copy it is read from
_contents: dict[str, bytes] = {}  # by the module's name
_given: dict[str, bytes] = {}  # by the file's name: contents given by `--model-code`


def is_own(name: object) -> bool:
    """Whether the name of a model is 'FILE.py:CLASS' or 'MODULE:CLASS'."""
    return isinstance(name, str) and bool(OWN_NAME.fullmatch(name))


def class_for_recipe(name: str) -> type:
    """The class that a user's recipe names; its code runs, and a line says so.

    Raises: RecipeError where there is no such file, module or class, or the code fails.
    """
    where, _, class_name = name.rpartition(":")
    if not where.endswith(ENDING):
        if where not in sys.modules:
            logging.getLogger("mien").warning("model.name is %s: running the code of that module", name)
        module = _import(where)
        _remember(f"module-{where}", name)
        return _class_in(module, class_name, name)
    file = Path(where).expanduser()
    content = _read(file)
    if _checksum(content) not in _modules:
        logging.getLogger("mien").warning("model.name is %s: running the code of %s", name, file)
    module = _run(content, file)
    _remember(_checksum(content), str(file))
    return _class_in(module, class_name, name)


def class_for_run(name: str, run: Path) -> type:
    """The class of a run's model, from the run's own copy of its code, where this user has given that file before.

    Raises: RunError where the user has not, so that nothing runs; RecipeError where the code fails.
    """
    where, _, class_name = name.rpartition(":")
    if not where.endswith(ENDING):
        if not _remembered(f"module-{where}"):
            raise RunError(
                f"{run}: its model is {name}, code of a module. mien runs no code that a run folder names, unless you "
                f"name it too: see what the module is, then add --model-code {quoted(where)}"
            )
        return _class_in(_import(where), class_name, name)
    copy = run / CODE_FILE
    content = _read(copy) if copy.is_file() else _given.get(Path(where).name)
    if content is None:
        raise RunError(f"{run}: its model is {name}, and {CODE_FILE} is not there. Add --model-code FILE, that file.")
    if not _remembered(_checksum(content)):
        raise RunError(
            f"{run}: its model is code of its own. mien runs no code that comes with a run folder, unless you name "
            f"the file: read it, then add --model-code {quoted(copy)}"
        )
    return _class_in(_run(content, copy), class_name, name)


def allow(code: str | Path) -> None:
    """Let runs use this code from now on: a file, or the name of a module. Nothing runs yet.

    Raises: RecipeError where there is no such file.
    """
    if not str(code).endswith(ENDING):
        _remember(f"module-{code}", str(code))
        return
    content = _read(Path(code))
    _given[Path(code).name] = content
    _remember(_checksum(content), str(code))


def found_beside(name: str, recipe: Path) -> str:
    """The name of a model with the whole path of its file, where that lies beside the recipe that names it."""
    where, _, class_name = name.rpartition(":")
    beside = recipe.parent / where
    return f"{beside.resolve()}:{class_name}" if where.endswith(ENDING) and beside.is_file() else name


def code_of(model: type) -> bytes | None:
    """The file that a model's class is from, as it was read; None for a class of a module that can be imported."""
    return _contents.get(model.__module__)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise RecipeError(
            f"{file}: cannot be read ({error.strerror}). Give the file that the model is in; a path in a recipe is "
            "relative to the recipe or to the current folder."
        ) from error
    if len(content) > MOST_BYTES:
        raise RecipeError(f"{file}: more than {MOST_BYTES:,} bytes, so it is not a model's code. Give that file.")
    return content


def _run(content: bytes, file: Path) -> ModuleType:
    """The module that a file's content makes; it runs once in a process."""
    checksum = _checksum(content)
    if checksum not in _modules:
        module = ModuleType(f"mien_model_{checksum[:16]}")
        module.__file__ = str(file)
        sys.modules[module.__name__] = module  # pydantic and dataclasses look names up there
        try:
            exec(compile(content, str(file), "exec"), module.__dict__)
        except Exception as error:
            del sys.modules[module.__name__]
            raise _failed(str(file), error) from error
        _modules[checksum], _contents[module.__name__] = module, content
    return _modules[checksum]


def _import(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise _failed(module, error) from error


def _failed(where: str, error: Exception) -> RecipeError:
    return RecipeError(
        f"{where}: its code failed ({type(error).__name__}: {in_one_line(error)}). "
        f"Correct it; `python {quoted(where)}` shows the line."
    )


def _class_in(module: ModuleType, class_name: str, name: str) -> type:
    """Raises: RecipeError where a module has no model of that name."""
    from mien.models.base import Model

    models = {key: value for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, Model)}
    if class_name not in models:
        found = ", ".join(key for key, value in models.items() if value.__module__ == module.__name__) or "none"
        raise RecipeError(
            f"model.name is {shown(name)}: {class_name} is not a model there, a subclass of mien.models.base.Model."
            f"{did_you_mean(class_name, models)} Models there: {found}."
        )
    return models[class_name]


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _place(key: str) -> Path:
    from mien.faces.pack.store import default_cache

    return default_cache() / "model-code" / key


def _remember(key: str, source: str) -> None:
    """Note that the user has given this code; where the note cannot be written, the user is asked again."""
    try:
        _place(key).parent.mkdir(parents=True, exist_ok=True)
        _place(key).write_text(source, encoding="utf-8")
    except OSError:
        logging.getLogger("mien").warning("%s cannot be written: --model-code will be asked for", _place(key))


def _remembered(key: str) -> bool:
    return _place(key).is_file()
