"""Answers as DICOM objects, beside a PACS: what `colles dicom` makes. Needs colles[dicom]."""
