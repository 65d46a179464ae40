"""From a catalog and its split to batches: canvases decoded once, drawn by a sampler, augmented, normalised."""
