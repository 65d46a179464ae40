"""Reporting checklists: which items a run answers by itself, and which a person must write."""
