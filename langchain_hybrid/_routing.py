"""What the three shapes share: the core's policy and failover for one pair of arms, made of constructor arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import Runnable

from langchain_hybrid._capabilities import capabilities_of
from langchain_hybrid._options import level_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hybrid_llm.dispatch import Failover, Policy


@dataclass(frozen=True, eq=False)
class Routing:
    """Decides requests, and calls the arm that was decided.

    Args:
        policy: Decides.
        failover: Calls; it keeps the breakers, so copies of a shape share it.
    """

    policy: Policy
    failover: Failover

    @classmethod
    def of(
        cls,
        small: Runnable[Any, Any],
        large: Runnable[Any, Any],
        router: Any,
        options: Mapping[str, Any],
        failover: Failover | None = None,
    ) -> Routing:
        """Make the routing of a pair.

        Args:
            small: The cheap arm.
            large: The strong arm.
            router: Whatever ``router=`` accepts.
            options: ``quality`` | ``cost_advantage`` | ``threshold``, ``allowed``, ``fallback_to_large``,
                ``fallback_to_small``, ``small_timeout``; a missing one has its default.
            failover: That of the shape this one is a copy of.

        Raises:
            TypeError: ``router`` is nothing that scores.
            LevelError: Two levels, one out of range, or one that this router has no thresholds for.
            ConfigError: ``small_timeout`` is not positive.
        """
        from hybrid_llm.dispatch import Allowed, Failover, Policy
        from hybrid_llm.router import Router  # loads numpy, which importing this package need not wait for

        level = level_of(options)
        policy = Policy(
            Router.of(router),
            level=level,
            small=capabilities_of(small),
            large=capabilities_of(large),
            allowed=Allowed.of(options.get("allowed"), level),
        )
        return cls(
            policy,
            failover
            or Failover(
                to_large=options.get("fallback_to_large", True),
                to_small=options.get("fallback_to_small", False),
                small_timeout=options.get("small_timeout"),
            ),
        )
