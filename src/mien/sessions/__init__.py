"""Sessions: a recipe to a trained, measured run."""
