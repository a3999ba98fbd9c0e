"""Training: from a quality table to a router.

``train`` is the way in; ``TrainConfig`` holds every setting. The recipe ``head`` (a head on the frozen encoder, in
seconds, without torch) needs the extra ``train``, the recipe ``full`` (a fine-tuned encoder) the extra ``finetune``.
"""

from hybrid_llm.training.config import TrainConfig
from hybrid_llm.training.full import first_process, remove_checkpoints
from hybrid_llm.training.trainer import train

__all__ = ["TrainConfig", "first_process", "remove_checkpoints", "train"]
