"""The promise: thresholds whose quality drop is proved from data to stay within a limit."""

from hybrid_llm.certify.auditing import RATIO, Audit, audit
from hybrid_llm.certify.certificate import CAVEATS, Certificate, Menu, Provenance, percent
from hybrid_llm.certify.evidence import Evidence
from hybrid_llm.certify.walk import LEVELS, MIN_QUERIES, certify, certify_menu

__all__ = [
    "CAVEATS",
    "LEVELS",
    "MIN_QUERIES",
    "RATIO",
    "Audit",
    "Certificate",
    "Evidence",
    "Menu",
    "Provenance",
    "audit",
    "certify",
    "certify_menu",
    "percent",
]
