"""Drawn faces: the embedded set, exact from a seed."""
