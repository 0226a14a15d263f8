"""Recipes: everything that decides one run, as TOML, checked."""
