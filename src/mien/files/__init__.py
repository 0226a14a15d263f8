"""Files: read with suspicion, written whole."""
