"""Progress of long work, told to an observer."""

from typing import Any, Protocol


class Observer(Protocol):
    """Somebody who is told how things go; the command line draws it."""

    def work(self, words: str, done: int, total: int) -> None:
        """So much of a piece of work is done."""

    def note(self, words: str) -> None:
        """Something worth a line."""

    def training(self, name: str, images_seen: int, total: int, line: dict[str, Any]) -> None:
        """A run has seen so many of its images; line holds the last numbers, and under "health" what is wrong."""
