"""Metrics: numbers about a trained model, each with its interval, its count of images and its protocol."""
