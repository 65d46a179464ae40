"""The catalog's columns and their types; apart from the records, since polars takes as long to load as an answer."""

from __future__ import annotations

from typing import Any

import polars as pl

BOX_DTYPE = pl.List(
    pl.Struct({"x1": pl.Float64, "y1": pl.Float64, "x2": pl.Float64, "y2": pl.Float64, "name": pl.String})
)
CATALOG_SCHEMA: dict[str, Any] = {
    "image_id": pl.String,
    "source": pl.String,
    "path": pl.String,
    "label": pl.Int8,
    "boxes": BOX_DTYPE,
    "body_part": pl.String,
    "view": pl.String,
    "laterality": pl.String,
    "hardware": pl.Boolean,
    "age": pl.Float64,
    "sex": pl.String,
    "manufacturer": pl.String,
    "width": pl.Int32,
    "height": pl.Int32,
    "channels": pl.Int8,
    "bit_depth": pl.Int8,
    "sha256": pl.String,
    "pixel_sha256": pl.String,
    "phash": pl.String,
    "patient_id": pl.String,
    "study_id": pl.String,
    "id_scope": pl.String,
    "base_name": pl.String,
    "given_split": pl.String,
    "group_id": pl.String,
    "status": pl.String,
    "reason": pl.String,
    "upper_limb": pl.Boolean,
    "metadata_label": pl.Int8,
    "file_bytes": pl.Int64,
    "file_format": pl.String,
    "colour_mode": pl.String,
    "frames": pl.Int32,
    "orientation": pl.Int8,
    "mean_grey": pl.Float64,
    "sd_grey": pl.Float64,
    "low_grey": pl.Float64,
    "high_grey": pl.Float64,
    "bright_share": pl.Float64,
    "border_grey": pl.Float64,
    "border_width": pl.Float64,
    "colourfulness": pl.Float64,
    "jpeg_quality": pl.Int8,
    "jpeg_tables": pl.String,
    "burned_in": pl.Boolean,
    "correction": pl.String,
    "label_before": pl.Int8,
    "correction_reason": pl.String,
    "corrected_by": pl.String,
}
