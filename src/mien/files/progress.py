"""Progress of long work, told to an observer."""

from typing import Any, Protocol


class Observer(Protocol):
    """Receives the progress of long work; the command line draws it."""

    def work(self, words: str, done: int, total: int) -> None:
        """Report that `done` of `total` pieces of a work are done."""

    def note(self, words: str) -> None:
        """Report one line of text."""

    def training(self, name: str, images_seen: int, total: int, line: dict[str, Any]) -> None:
        """Report how many images a run has seen.  line: its last numbers, and under "health" the rules that hold"""
