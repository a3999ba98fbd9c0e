"""Dispatch: decide a request, call the arm, and go to the other one when it breaks."""

from hybrid_llm.dispatch.breaker import Breaker
from hybrid_llm.dispatch.failover import Failover
from hybrid_llm.dispatch.outage import is_outage, status_of
from hybrid_llm.dispatch.policy import FUNCTION, Allowed, Capabilities, Policy, Request

__all__ = [
    "FUNCTION",
    "Allowed",
    "Breaker",
    "Capabilities",
    "Failover",
    "Policy",
    "Request",
    "is_outage",
    "status_of",
]
