"""Faces: pictures and their attributes, read from folders, archives and tables, packed once, memory-mapped."""

from mien.faces.labelled_faces import SPLITS, UNKNOWN, Faces, Split
from mien.faces.pack.open import open_faces

__all__ = ["SPLITS", "UNKNOWN", "Faces", "Split", "open_faces"]
