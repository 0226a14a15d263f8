"""Training: one loop for any list of phases; it knows no run folder."""
