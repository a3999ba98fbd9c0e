r"""From sums with known results to a verdict on a pair of models: what ``hybrid-llm run`` does, step by step.

Without any setting both models are stand-ins: the small one gets long sums wrong. A side is real when it is named:

    SMALL_MODEL=<name> LARGE_MODEL=<name> OPENAI_BASE_URL=https://host/v1 python examples/own_pair.py
"""

import asyncio
import json
import os
import tempfile
from pathlib import Path

from hybrid_llm.collect import Budget, ModelName, PairFolder, Reply, Setup, ask_all, client_of, grading_of, plans
from hybrid_llm.prices import Prices
from hybrid_llm.run import Question, conclude
from hybrid_llm.table import prompts_of_files

EASY, HARD = 7, 1_234_567
real = {side: os.environ.get(f"{side.upper()}_MODEL") for side in ("small", "large")}
setup = Setup(
    ModelName.read(f"ollama:{real['small'] or 'stand-in-small'}"),
    ModelName.read(f"openai:{real['large'] or 'stand-in-large'}"),
)


class StandIn:
    """Adds, as a model would; the small one is a hundred off where numbers are long."""

    def __init__(self, model):
        self.model = model

    async def ask(self, messages, settings):
        """Answer a sum."""
        words = messages[-1]["content"].rstrip("?").split()
        total = int(words[-3]) + int(words[-1])
        wrong = self.model == setup.small and total > HARD
        return Reply(str(total + 100 * wrong), finish="stop", seconds=0.1, input_tokens=12, output_tokens=4)

    async def close(self):
        """There is no connection to close."""


def client(model):
    """Return what asks a model."""
    side = "small" if model == setup.small else "large"
    return client_of(model) if real[side] else StandIn(model)


for side, name in real.items():
    print(f"{side}: {name or 'a stand-in, no model is called'}")

with tempfile.TemporaryDirectory() as scratch:
    prompts = Path(scratch, "prompts.json")
    sums = [(i, EASY) for i in range(200)] + [(HARD + 31 * i, HARD) for i in range(200)]
    prompts.write_text(json.dumps([{"prompt": f"What is {a} + {b}?", "reference": str(a + b)} for a, b in sums]))

    with PairFolder(Path(scratch, "pair")) as folder:
        folder.begin(setup)
        folder.add_prompts(prompts_of_files(prompts))

        prices = Prices.read([f"{setup.large.name}=2.5:10"])
        todo = plans(setup, folder.prompts(), folder.answered(setup), prices, folder.usual_tokens(setup))
        print(f"about ${sum(plan.usd for plan in todo):.3f} for {sum(len(plan.todo) for plan in todo)} answers\n")
        asyncio.run(ask_all(folder, setup, todo, Budget(1.0), {}, client=client))

        graded = grading_of(folder, "number").run()
        print(conclude(folder, setup, graded.key, Question(max_drop=0.05)).explain())
