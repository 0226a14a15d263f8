"""Health in words: from the numbers of a log to what has turned for the worse or the better, and what to try.

A rule says something when it begins to hold and when it is over, and in between nothing: what begins it is further out
than what ends it. All that is said follows from the lines of the log alone, so that a run that was killed says the same
again. Snapshots and lines of training are looked at apart, since how they interleave depends on when checkpoints were
written.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from mien.health import of_losses, of_samples
from mien.health.alarm import DISTANCE, SNAPSHOT, Line

__all__ = ["DISTANCE", "RULES", "SNAPSHOT", "Turn", "Watch", "turns"]

RULES = (*of_samples.RULES, *of_losses.RULES)


@dataclass(frozen=True)
class Turn:
    """Something has begun, or is over.

    state: the rule's name.    words: a sentence with numbers and what to try.
    """

    images_seen: int
    state: str
    begins: bool
    words: str


@dataclass
class Watch:
    """Follows a log line by line.

    lines: those that each rule has looked at, by its state.    since: where among them it began, while it lasts.
    options: that the model has, such as 'model.width', so that no other is advised; None: they are not known.
    """

    lines: dict[str, list[Line]] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    options: Collection[str] | None = None

    @property
    def states(self) -> tuple[str, ...]:
        """What is wrong now, in the order of RULES."""
        return tuple(rule.state for rule in RULES if rule.state in self.since)

    def see(self, line: Line) -> list[Turn]:
        """What turns with one more line of the log."""
        turned = []
        for rule in RULES:
            if not rule.counts(line):
                continue
            lines = self.lines.setdefault(rule.state, [])
            lines.append(line)
            began = self.since.get(rule.state)
            words = rule.begins(lines) if began is None else rule.ends(lines, began)
            if words and began is None:
                words += rule.advise(self.options)
                self.since[rule.state] = len(lines) - 1
            elif words:
                del self.since[rule.state]
            if words:
                turned.append(Turn(line["images_seen"], rule.state, began is None, words))
        return turned


def turns(history: Iterable[Line], options: Collection[str] | None = None) -> list[Turn]:
    """Everything that turned in a log, in the order in which its lines were written.  options: as of Watch"""
    watch = Watch(options=options)
    return [turn for line in history for turn in watch.see(line)]
