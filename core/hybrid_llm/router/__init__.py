"""The router: scores, thresholds and decisions, and the folder that keeps them."""

from hybrid_llm.router.card import model_card
from hybrid_llm.router.explain import AtLevel, Explanation
from hybrid_llm.router.folder_reading import read_router
from hybrid_llm.router.folder_writing import claim, refuse_foreign, refuse_replacing, write_router
from hybrid_llm.router.judging import refuse_few_rows, warn_before_judging, warn_of_another_pair
from hybrid_llm.router.looking import judges, look_rows
from hybrid_llm.router.once import Once, warn_user
from hybrid_llm.router.parts import RouterParts
from hybrid_llm.router.promise import ENOUGH_ROWS
from hybrid_llm.router.record import SeenRows, TrainingRecord
from hybrid_llm.router.router import Router
from hybrid_llm.router.threshold import resolve
from hybrid_llm.router.voiding import void_certificates, voided_since
from hybrid_llm.scoring import Scorer

__all__ = [
    "ENOUGH_ROWS",
    "AtLevel",
    "Explanation",
    "Once",
    "Router",
    "RouterParts",
    "Scorer",
    "SeenRows",
    "TrainingRecord",
    "claim",
    "judges",
    "look_rows",
    "model_card",
    "read_router",
    "refuse_few_rows",
    "refuse_foreign",
    "refuse_replacing",
    "resolve",
    "void_certificates",
    "voided_since",
    "warn_before_judging",
    "warn_of_another_pair",
    "warn_user",
    "write_router",
]
