"""Send each query to the small local model or to the large hosted one, before any model is called.

The names below are the public interface; they are imported when first used, so that importing the package
costs next to nothing and loads no model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybrid_llm.lazy import lazy_names

if TYPE_CHECKING:
    from hybrid_llm.certify import Certificate, certify
    from hybrid_llm.decision import Decision
    from hybrid_llm.dispatch import Pair, private
    from hybrid_llm.errors import HybridLLMError, HybridLLMWarning
    from hybrid_llm.level import Level
    from hybrid_llm.look import Answer
    from hybrid_llm.router import Router, Scorer
    from hybrid_llm.table import QualityTable

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Certificate",
    "Decision",
    "HybridLLMError",
    "HybridLLMWarning",
    "Level",
    "Pair",
    "QualityTable",
    "Router",
    "Scorer",
    "__version__",
    "certify",
    "private",
]

_HOMES = {
    "Answer": "hybrid_llm.look",
    "Certificate": "hybrid_llm.certify",
    "certify": "hybrid_llm.certify",
    "Decision": "hybrid_llm.decision",
    "Level": "hybrid_llm.level",
    "HybridLLMError": "hybrid_llm.errors",
    "HybridLLMWarning": "hybrid_llm.errors",
    "Router": "hybrid_llm.router",
    "Scorer": "hybrid_llm.router",
    "Pair": "hybrid_llm.dispatch",
    "private": "hybrid_llm.dispatch",
    "QualityTable": "hybrid_llm.table",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
