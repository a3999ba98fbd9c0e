"""Scoring: from a query's text to p(x), by an encoder and a head or by a scorer of the user's own."""

from hybrid_llm.scoring.asking import Progress, Scorer, Scoring, TrainedScorer, checked, single
from hybrid_llm.scoring.embedding import EmbeddingScorer, RememberingScorer, joined
from hybrid_llm.scoring.encoder import Encoded, Encoder, QueryTokenizer
from hybrid_llm.scoring.encoder_folder import EncoderInfo
from hybrid_llm.scoring.features import NAMES, text_features
from hybrid_llm.scoring.head import Head, gaussian_kernel, squash
from hybrid_llm.scoring.logit import LogitHead, NetworkScorer

__all__ = [
    "NAMES",
    "EmbeddingScorer",
    "Encoded",
    "Encoder",
    "EncoderInfo",
    "Head",
    "LogitHead",
    "NetworkScorer",
    "Progress",
    "QueryTokenizer",
    "RememberingScorer",
    "Scorer",
    "Scoring",
    "TrainedScorer",
    "checked",
    "gaussian_kernel",
    "joined",
    "single",
    "squash",
    "text_features",
]
