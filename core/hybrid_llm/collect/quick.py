"""Asking one local model many prompts, nothing stored: what it says is needed once, and costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from hybrid_llm.collect.ask import IN_A_ROW, what_went_wrong
from hybrid_llm.collect.clients import Asks, Messages, client_of
from hybrid_llm.collect.models import AskSettings, ModelName, Reply
from hybrid_llm.errors import ConfigError, HybridLLMError

PARALLEL: Final = 1
"""Requests at a time: a local model has one machine."""


async def ask_each(
    model: ModelName,
    prompts: Sequence[Messages],
    settings: AskSettings,
    *,
    parallel: int = PARALLEL,
    tell: Callable[[int, int], object] = lambda done, total: None,
    client: Callable[[ModelName], Asks] = client_of,
) -> list[Reply | None]:
    """Return what a local model answers to each prompt; None where it gave nothing.

    Args:
        model: The model.
        prompts: n prompts, as they are sent.
        settings: How it is asked.
        parallel: Requests at a time.
        tell: Told (done, total) after each answer.
        client: Makes what asks the model.

    Raises:
        ConfigError: The model is a hosted one.
        HybridLLMError: It failed several times in a row.
    """
    if not model.local:
        raise ConfigError(f"{model} is not local: asking it would cost money, and send the prompts away.")
    asks, todo = client(model), iter(range(len(prompts)))
    found: list[Reply | None] = [None] * len(prompts)
    failed = done = 0

    async def work() -> None:
        nonlocal failed, done
        for place in todo:
            try:
                found[place] = await asks.ask(prompts[place], settings)
                failed = 0
            except Exception as error:
                failed += 1
                if failed >= IN_A_ROW or not any(found):
                    raise HybridLLMError(f"{what_went_wrong(error, model)}. Nothing was measured.") from error
            done += 1
            tell(done, len(prompts))

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(max(1, parallel)):
                tasks.create_task(work())
    except* HybridLLMError as errors:
        raise errors.exceptions[0] from None
    finally:
        await asks.close()
    return found
