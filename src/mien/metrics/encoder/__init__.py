"""Metrics of an encoder and its decoder: reconstruction, likelihood, posterior."""
