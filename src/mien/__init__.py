"""mien: train, judge and compare generative models of labelled face images."""

from mien.api import open_faces, open_run, run
from mien.version import __version__

__all__ = ["__version__", "open_faces", "open_run", "run"]
