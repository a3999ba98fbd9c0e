"""Observing: ready observers of a pair. A line in the log, OpenTelemetry's spans and metrics, a journal on disk."""

from typing import TYPE_CHECKING

from hybrid_llm.lazy import lazy_names

if TYPE_CHECKING:
    from hybrid_llm.observe.journal import Journal
    from hybrid_llm.observe.log import Log
    from hybrid_llm.observe.opentelemetry import OpenTelemetry
    from hybrid_llm.observe.store import Recorded, count_lost, read_journal

__all__ = ["Journal", "Log", "OpenTelemetry", "Recorded", "count_lost", "read_journal"]

_HOMES = {
    "Journal": "hybrid_llm.observe.journal",
    "Log": "hybrid_llm.observe.log",
    "OpenTelemetry": "hybrid_llm.observe.opentelemetry",
    **dict.fromkeys(("Recorded", "count_lost", "read_journal"), "hybrid_llm.observe.store"),
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
