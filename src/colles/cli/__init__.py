"""The command line: one short file a verb, each parses, calls one function and writes the artefact."""
