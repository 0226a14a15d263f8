"""Run folders: one training on disk."""
