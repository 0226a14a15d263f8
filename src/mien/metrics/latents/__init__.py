"""Metrics of latents: whether single latents stand for single things."""
