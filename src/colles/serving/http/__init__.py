"""A bundle behind a web page and an API: one file in, one answer out, nothing written. Needs colles[serve]."""
