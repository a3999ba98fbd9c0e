"""The recipe ``full``: the paper's, an encoder fine-tuned with a one-logit head."""

from hybrid_llm.training.full.checkpoints import remove_checkpoints
from hybrid_llm.training.full.devices import first_process
from hybrid_llm.training.full.recipe import fit

__all__ = ["first_process", "fit", "remove_checkpoints"]
