"""The codes that reports use, each with its source; docs/how-to/dicom.md shows where they stand."""

from __future__ import annotations

from typing import Any

from pydicom.sr.coding import Code

from colles.serving.decision import Decision

FRACTURE = Code("125605004", "SCT", "Fracture")
"""The finding, and the question that present, absent or undetermined answers."""
PRESENCE: dict[Decision, Any] = {  # CID 240
    "fracture": Code("52101004", "SCT", "Present"),
    "no_fracture": Code("272519000", "SCT", "Absent"),
    "uncertain": Code("373068000", "SCT", "Undetermined"),
}
SCHEME = "99COLLES"
"""Of our own codes (PS3.16, 8.2)."""
PROBABILITY = Code("PROB_FRACTURE", SCHEME, "Probability of fracture")
"""The calibrated probability, whatever the decision. Certainty of Finding (111012, DCM) would say the opposite beside
an absence: 2 % is a firm one."""
PERCENT = Code("%", "UCUM", "Percent")
SUMMARY = Code("111064", "DCM", "Summary of Detections")
SUCCEEDED = Code("111222", "DCM", "Succeeded")  # CID 6042, with the next three
PARTIALLY = Code("111223", "DCM", "Partially Succeeded")
FAILED = Code("111224", "DCM", "Failed")
NOT_ATTEMPTED = Code("111225", "DCM", "Not Attempted")
COMMENT = Code("121106", "DCM", "Comment")
CONCLUSION = Code("121077", "DCM", "Conclusion")
QUALITATIVE = Code("C0034375", "UMLS", "Qualitative Evaluations")
"""The container of TID 1500 for what is said of the study as a whole."""
PLAIN_RADIOGRAPHY = Code("168537006", "SCT", "Plain radiography")
ENGLISH = Code("en", "RFC5646", "English")
