"""Metrics of samples: how near they are to real faces, how varied, how sharp."""
