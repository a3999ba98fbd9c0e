"""Training: from a quality table to a router, and from a Hugging Face model to an encoder to train with.

``train`` is the way in; ``TrainConfig`` holds every setting. The recipe ``head`` (a head on the frozen encoder, in
seconds, without torch) needs the extra ``train``. The recipe ``full`` (a fine-tuned encoder) and ``export_encoder``
need the extra ``finetune``.
"""

from hybrid_llm.training.config import TrainConfig
from hybrid_llm.training.full import first_process, remove_checkpoints
from hybrid_llm.training.onnx import Pooling, Quantise, export_encoder
from hybrid_llm.training.second_look import left_out_heights, train_second_look
from hybrid_llm.training.trainer import train, train_and_score
from hybrid_llm.training.untrained import untrained_looks

__all__ = [
    "Pooling",
    "Quantise",
    "TrainConfig",
    "export_encoder",
    "first_process",
    "left_out_heights",
    "remove_checkpoints",
    "train",
    "train_and_score",
    "train_second_look",
    "untrained_looks",
]
