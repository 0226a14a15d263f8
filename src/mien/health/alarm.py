"""A rule of health, and the names of the numbers that rules read."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Line = Mapping[str, Any]
Lines = Sequence[Line]

SNAPSHOT = "validation/"  # prefix of a snapshot's terms; the others are of training
DISTANCE = "validation/fd_judge"
VARIETY = "validation/variety"
SHARPNESS = "validation/sharpness"
REAL, FAKE = "validation/discriminator_real", "validation/discriminator_fake"
KL, ACTIVE = "validation/kl_nats", "validation/active_units"
ERROR, TRAINING_ERROR = "validation/reconstruction", "validation/reconstruction_of_training"

PATIENCE = 5  # snapshots without a better distance


@dataclass(frozen=True)
class Rule:
    """One fault that a training can have.

    state: its name in a word or two, for a progress bar.    counts: whether the rule reads a line of the log.
    begins: a sentence if the fault begins at the last of these lines, else ''.
    ends: a sentence if a fault that began at lines[since] ends at the last, else ''.
    advice: remedies, each a noun; one with an option of a model is given only for models that have it.
    """

    state: str
    counts: Callable[[Line], bool]
    begins: Callable[[Lines], str]
    ends: Callable[[Lines, int], str]
    advice: tuple[str, ...] = ()

    def advise(self, options: Collection[str] | None) -> str:
        """The advice as a sentence.  options: of the model, such as 'model.width'; None: unknown, so all is given"""
        kept = [
            words
            for words in self.advice
            if options is None or all(option in options for option in re.findall(r"model\.\w+", words))
        ]
        beginning = ", ".join(kept[:-1])
        return f" Try {beginning}{' or ' if beginning else ''}{kept[-1]}." if kept else ""


def has_terms(*terms: str) -> Callable[[Line], bool]:
    """Whether a line has these terms and is not of the untrained model, at 0 images."""
    return lambda line: line["images_seen"] > 0 and all(term in line for term in terms)


def holds_twice(lines: Lines, holds: Callable[[Line], bool]) -> bool:
    """Whether a condition holds in each of the last two lines; in one alone it may pass by itself."""
    return len(lines) > 1 and holds(lines[-1]) and holds(lines[-2])


def find_lowest(lines: Lines, term: str) -> Line:
    """The line where a term is lowest; the first of several."""
    return min(lines, key=lambda line: float(line[term]))


def moment_of(line: Line) -> str:
    """The images seen at a line, in words."""
    return f"at {line['images_seen']:,} images"


def best_snapshot(lines: Lines) -> str:
    """Where the best snapshot is, as the end of a sentence; '' where distances were not measured."""
    measured = [line for line in lines if DISTANCE in line]
    return f"; best snapshot is {moment_of(find_lowest(measured, DISTANCE))}" if measured else ""
