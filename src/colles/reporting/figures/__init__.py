"""The report's figures: arrays → SVG and PNG."""
