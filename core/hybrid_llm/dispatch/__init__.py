"""Dispatch: decide a request, call the arm, and go to the other one when it breaks."""

from typing import TYPE_CHECKING

from hybrid_llm.lazy import lazy_names

if TYPE_CHECKING:
    from hybrid_llm.dispatch.answers import Answers, has_text
    from hybrid_llm.dispatch.asked import asked_in
    from hybrid_llm.dispatch.attempts import Attempts
    from hybrid_llm.dispatch.behind import is_behind
    from hybrid_llm.dispatch.breaker import Breaker
    from hybrid_llm.dispatch.failover import Failover
    from hybrid_llm.dispatch.ollama import OllamaServer, remote_host_of, window_of
    from hybrid_llm.dispatch.options import (
        LEVELS,
        OF_A_CALL,
        OPTIONS,
        PairOptions,
        level_of,
        private_of,
        refuse_near_miss,
        split_options,
    )
    from hybrid_llm.dispatch.outage import is_outage, reason_of, says_why, second_try, status_of
    from hybrid_llm.dispatch.pair import Pair
    from hybrid_llm.dispatch.place import Place, host_of, is_loopback, proxy_of
    from hybrid_llm.dispatch.privacy import HOSTED, private, refuse_other_model
    from hybrid_llm.dispatch.request import FUNCTION, MEDIA_TYPES, Capabilities, Request
    from hybrid_llm.dispatch.rules import RuleLike
    from hybrid_llm.dispatch.settings import Dialect, dialect_of, is_setting, json_schema_of, model_named, translated
    from hybrid_llm.dispatch.state import Decided, PairState
    from hybrid_llm.dispatch.steps import Within, as_an_arm, decision_at, is_marked, noted_at
    from hybrid_llm.dispatch.tokens import content_logprobs
    from hybrid_llm.dispatch.wanted import (
        PARSED,
        UNPARSED,
        AnyTool,
        as_json,
        follows,
        is_no_json,
        wanted_of,
    )
    from hybrid_llm.dispatch.window import ASSUMED, MEDIA_TOKENS, MESSAGE_TOKENS, Window, tokens_in

__all__ = [
    "ASSUMED",
    "FUNCTION",
    "HOSTED",
    "LEVELS",
    "MEDIA_TOKENS",
    "MEDIA_TYPES",
    "MESSAGE_TOKENS",
    "OF_A_CALL",
    "OPTIONS",
    "PARSED",
    "UNPARSED",
    "Answers",
    "AnyTool",
    "Attempts",
    "Breaker",
    "Capabilities",
    "Decided",
    "Dialect",
    "Failover",
    "OllamaServer",
    "Pair",
    "PairOptions",
    "PairState",
    "Place",
    "Request",
    "RuleLike",
    "Window",
    "Within",
    "as_an_arm",
    "as_json",
    "asked_in",
    "content_logprobs",
    "decision_at",
    "dialect_of",
    "follows",
    "has_text",
    "host_of",
    "is_behind",
    "is_loopback",
    "is_marked",
    "is_no_json",
    "is_outage",
    "is_setting",
    "json_schema_of",
    "level_of",
    "model_named",
    "noted_at",
    "private",
    "private_of",
    "proxy_of",
    "reason_of",
    "refuse_near_miss",
    "refuse_other_model",
    "remote_host_of",
    "says_why",
    "second_try",
    "split_options",
    "status_of",
    "tokens_in",
    "translated",
    "wanted_of",
    "window_of",
]

_HOMES = {
    **dict.fromkeys(("FUNCTION", "MEDIA_TYPES", "Capabilities", "Request"), "hybrid_llm.dispatch.request"),
    **dict.fromkeys(("Decided", "PairState"), "hybrid_llm.dispatch.state"),
    **dict.fromkeys(
        (
            "LEVELS",
            "OF_A_CALL",
            "OPTIONS",
            "PairOptions",
            "level_of",
            "private_of",
            "refuse_near_miss",
            "split_options",
        ),
        "hybrid_llm.dispatch.options",
    ),
    **dict.fromkeys(
        ("Dialect", "dialect_of", "is_setting", "json_schema_of", "model_named", "translated"),
        "hybrid_llm.dispatch.settings",
    ),
    **dict.fromkeys(("Answers", "has_text"), "hybrid_llm.dispatch.answers"),
    **dict.fromkeys(("OllamaServer", "remote_host_of", "window_of"), "hybrid_llm.dispatch.ollama"),
    **dict.fromkeys(("ASSUMED", "MEDIA_TOKENS", "MESSAGE_TOKENS", "Window", "tokens_in"), "hybrid_llm.dispatch.window"),
    "asked_in": "hybrid_llm.dispatch.asked",
    "Attempts": "hybrid_llm.dispatch.attempts",
    "is_behind": "hybrid_llm.dispatch.behind",
    "content_logprobs": "hybrid_llm.dispatch.tokens",
    "Breaker": "hybrid_llm.dispatch.breaker",
    "Failover": "hybrid_llm.dispatch.failover",
    "RuleLike": "hybrid_llm.dispatch.rules",
    "Pair": "hybrid_llm.dispatch.pair",
    **dict.fromkeys(("Place", "host_of", "is_loopback", "proxy_of"), "hybrid_llm.dispatch.place"),
    **dict.fromkeys(("HOSTED", "private", "refuse_other_model"), "hybrid_llm.dispatch.privacy"),
    **dict.fromkeys(("Within", "as_an_arm", "decision_at", "is_marked", "noted_at"), "hybrid_llm.dispatch.steps"),
    **dict.fromkeys(("is_outage", "reason_of", "says_why", "second_try", "status_of"), "hybrid_llm.dispatch.outage"),
    **dict.fromkeys(
        ("PARSED", "UNPARSED", "AnyTool", "as_json", "follows", "is_no_json", "wanted_of"),
        "hybrid_llm.dispatch.wanted",
    ),
}
"""By need, since each adapter's import waits for what it takes from here."""

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
