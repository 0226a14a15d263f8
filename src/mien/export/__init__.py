"""Trained models for use without mien's training: as ONNX files, and as a folder that is a page."""
