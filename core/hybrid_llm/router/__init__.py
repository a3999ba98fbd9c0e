"""The router: scores, thresholds and decisions, and the folder that keeps them."""

from hybrid_llm.router.card import model_card
from hybrid_llm.router.folder import refuse_foreign
from hybrid_llm.router.once import Once, warn_user
from hybrid_llm.router.record import SeenRows, TrainingRecord
from hybrid_llm.router.router import Router, Scorer

__all__ = ["Once", "Router", "Scorer", "SeenRows", "TrainingRecord", "model_card", "refuse_foreign", "warn_user"]
