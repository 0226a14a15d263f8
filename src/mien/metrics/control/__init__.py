"""Metrics of control: whether a switched attribute changes in the picture, and what else does."""
