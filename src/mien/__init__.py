"""mien: train, judge, compare and explore generative models of labelled face images."""

__version__ = "0.1.0"
