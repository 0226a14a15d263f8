"""Every exception that mien raises on purpose, and the search for the name somebody meant.

MienError            a user can mend it: the command line prints it as one line and exits with 2
├── DataError        a source of faces, a table or a picture
├── RecipeError      a recipe, a plan or an override
├── RunError         a run folder: missing, of another version, no room
│   └── RunInUse     another process trains it at this moment
├── Diverged         training produced a number that is not finite
└── Interrupted      somebody stopped the training; what it had done is saved
"""

import reprlib
import shlex
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class MienError(Exception):
    """Something a user can mend; its text says what, what was given, what is allowed and what to do."""


class DataError(MienError):
    """A source of faces, a table of attributes or a picture cannot be used."""


class RecipeError(MienError):
    """A recipe, a plan or an override on the command line cannot be used."""


class RunError(MienError):
    """A run folder cannot be opened, written or continued."""


class RunInUse(RunError):
    """A run folder is in use by another process, which trains or measures it."""


class Diverged(MienError):
    """Training produced a loss or a weight that is not finite."""


class Interrupted(MienError):
    """Training was stopped by a signal, after saving; the command line exits with 130."""


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """' Did you mean 'Smiling'?' for the allowed name nearest to the given one, or '' when none is near."""
    by_lower = {candidate.lower(): candidate for candidate in allowed}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""


def printable(text: str) -> str:
    """The text on one line that any terminal takes: control characters, and whatever else does not show, are escaped.

    Names of files and attributes come from data, and could otherwise recolour, rewrite or lengthen what is printed.
    """
    return "".join(letter if letter.isprintable() else escaped(letter) for letter in text)


def escaped(letter: str) -> str:
    """A character in ASCII, as Python writes it: \\n, \\x1b, \\u202e."""
    return letter.encode("unicode_escape", "surrogatepass").decode()


def quoted(path: str | Path) -> str:
    """A path as a shell takes it, for a command that somebody is to copy."""
    return shlex.quote(str(path))


def in_one_line(error: Exception) -> str:
    """The beginning of what an error says, without line breaks."""
    return " ".join(str(error).split())[:200]


def not_allowed(path: Path, error: OSError) -> RunError:
    """What to say of a file that may be sound, but not be read."""
    return RunError(
        f"{path}: may not be read ({error.strerror or error}). See its permissions, and those of its folder."
    )


def not_written(path: Path, error: Exception) -> RunError:
    """What to say where the disk does not take a file."""
    before = "What was there before is unharmed" if path.parent.is_dir() else f"The folder {path.parent} is gone"
    return RunError(
        f"{path}: could not be written ({error}). {before}. "
        "See that the disk is there, has room and can be written to, then `mien resume` the run."
    )


def shown(value: object) -> str:
    """What was given, for a message: as Python writes it, but neither long nor deep."""
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100
