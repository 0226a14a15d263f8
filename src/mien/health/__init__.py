"""Health of a training: rules that read the lines of a log and say when a fault begins, when it ends and what to try.

A rule gives one sentence when it begins to hold and one when it ends; its threshold for the beginning is further out
than that for the end. The sentences follow from the log alone, so that a run that was killed repeats them. A rule reads
snapshots or lines of training, not both, since how these interleave depends on when checkpoints were written.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from mien.health import of_losses, of_samples
from mien.health.alarm import DISTANCE, SNAPSHOT, Line

__all__ = ["DISTANCE", "RULES", "SNAPSHOT", "Turn", "Watch", "turns"]

RULES = (*of_samples.RULES, *of_losses.RULES)


@dataclass(frozen=True)
class Turn:
    """A rule that begins to hold, or ends.

    state: the rule's name.    words: a sentence with numbers and what to try.
    """

    images_seen: int
    state: str
    begins: bool
    words: str


@dataclass
class Watch:
    """Follows a log line by line.

    lines: those that each rule has read, by its state.    since: the index of the line at which a rule began to hold.
    options: of the model, such as 'model.width'; advice names no others. None: unknown, so all advice is given.
    """

    lines: dict[str, list[Line]] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    options: Collection[str] | None = None

    @property
    def states(self) -> tuple[str, ...]:
        """The states of the rules that hold now, in the order of RULES."""
        return tuple(rule.state for rule in RULES if rule.state in self.since)

    def see(self, line: Line) -> list[Turn]:
        """The rules that begin or end with one more line of the log."""
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
    """All beginnings and ends of rules in a log, in the order of its lines.  options: as of Watch"""
    watch = Watch(options=options)
    return [turn for line in history for turn in watch.see(line)]
