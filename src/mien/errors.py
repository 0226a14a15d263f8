"""Every exception that mien raises on purpose, and the search for the name somebody meant.

MienError            a user can mend it: the command line prints it as one line and exits with 2
├── DataError        a source of faces, a table or a picture
├── RecipeError      a recipe, a plan or an override
├── RunError         a run folder: missing, of another version, no room
│   └── RunInUse     another process trains it at this moment
├── Diverged         training produced a number that is not finite
└── Interrupted      somebody stopped the training; what it had done is saved
"""

from collections.abc import Iterable
from difflib import get_close_matches


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
