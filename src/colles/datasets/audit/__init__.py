"""What is wrong with a catalog: broken files, copies, contradicting labels, leaks across splits."""

from colles.datasets.audit.audit import Audit, audit_catalog

__all__ = ["Audit", "audit_catalog"]
