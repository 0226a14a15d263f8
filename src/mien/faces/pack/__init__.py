"""Packs: faces prepared once, then mapped into memory."""
