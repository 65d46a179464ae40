"""The report's sections in the order of the page; a new one is a file here and a line below."""

from __future__ import annotations

from colles.reporting.sections.audit import AuditSection
from colles.reporting.sections.base import Section
from colles.reporting.sections.calibration import Calibration
from colles.reporting.sections.data import Data
from colles.reporting.sections.discrimination import Discrimination
from colles.reporting.sections.explanations import Explanations
from colles.reporting.sections.export import Export
from colles.reporting.sections.failures import Failures
from colles.reporting.sections.flow import Flow
from colles.reporting.sections.levels import Levels
from colles.reporting.sections.limits import Limits
from colles.reporting.sections.net_benefit import NetBenefit
from colles.reporting.sections.operating_points import OperatingPoints
from colles.reporting.sections.overview import Overview
from colles.reporting.sections.provenance import Provenance
from colles.reporting.sections.robustness import Robustness
from colles.reporting.sections.samples import Samples
from colles.reporting.sections.split import SplitSection
from colles.reporting.sections.subgroups import Subgroups
from colles.reporting.sections.training import Training

SECTIONS: tuple[Section, ...] = (
    Overview(),
    Data(),
    Flow(),
    AuditSection(),
    SplitSection(),
    Samples(),
    Training(),
    Discrimination(),
    OperatingPoints(),
    Calibration(),
    NetBenefit(),
    Levels(),
    Subgroups(),
    Robustness(),
    Failures(),
    Explanations(),
    Export(),
    Limits(),
    Provenance(),
)

__all__ = ["SECTIONS", "Section"]
