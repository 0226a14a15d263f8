"""Pictures: arrays of pixels, and how a model makes them."""
