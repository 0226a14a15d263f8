"""What a rule of health is, and the names of the numbers that rules look at."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Line = Mapping[str, Any]
Lines = Sequence[Line]

SNAPSHOT = "validation/"  # what the terms of a snapshot begin with; the others are of training
DISTANCE = "validation/fd_judge"
VARIETY = "validation/variety"
SHARPNESS = "validation/sharpness"
REAL, FAKE = "validation/discriminator_real", "validation/discriminator_fake"
KL, ACTIVE = "validation/kl_nats", "validation/active_units"
ERROR, TRAINING_ERROR = "validation/reconstruction", "validation/reconstruction_of_training"

PATIENCE = 5  # snapshots without a better distance


@dataclass(frozen=True)
class Rule:
    """What can be wrong with a training.

    state: its name in a word or two, for a progress bar.    counts: whether the rule looks at a line of the log.
    begins: words for the last of these lines, or '' while all is well.
    ends: the same for what began at lines[since], '' while it lasts.
    advice: what may help against it, each a noun; an option of a model is said of models that have it.
    """

    state: str
    counts: Callable[[Line], bool]
    begins: Callable[[Lines], str]
    ends: Callable[[Lines, int], str]
    advice: tuple[str, ...] = ()

    def advise(self, options: Collection[str] | None) -> str:
        """What to try against it, as a sentence: of options of models, those alone that this model has.

        options: such as 'model.width'; None: they are not known, so all is said.
        """
        kept = [
            words
            for words in self.advice
            if options is None or all(option in options for option in re.findall(r"model\.\w+", words))
        ]
        beginning = ", ".join(kept[:-1])
        return f" Try {beginning}{' or ' if beginning else ''}{kept[-1]}." if kept else ""


def having(*terms: str) -> Callable[[Line], bool]:
    """Whether a line has some terms, and is of a model that has learnt something: before, there is no health."""
    return lambda line: line["images_seen"] > 0 and all(term in line for term in terms)


def twice(lines: Lines, holds: Callable[[Line], bool]) -> bool:
    """Whether something holds in each of the last two lines: once, it may pass by itself."""
    return len(lines) > 1 and holds(lines[-1]) and holds(lines[-2])


def lowest(lines: Lines, term: str) -> Line:
    """The line where a term is lowest; the first of several."""
    return min(lines, key=lambda line: float(line[term]))


def at(line: Line) -> str:
    """Where a line stands."""
    return f"at {line['images_seen']:,} images"


def best_snapshot(lines: Lines) -> str:
    """Where the best snapshot is, as the end of a sentence; '' where distances were not measured."""
    measured = [line for line in lines if DISTANCE in line]
    return f"; best snapshot is {at(lowest(measured, DISTANCE))}" if measured else ""
