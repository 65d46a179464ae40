"""Judge predictions: arrays and tables in, figures with intervals out. No pixels, no model."""
