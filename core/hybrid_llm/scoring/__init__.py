"""Scoring: from a query's text to p(x), by an encoder and a head or by a scorer of the user's own."""

from hybrid_llm.scoring.asking import Progress, Scorer, Scores, Scoring, TrainedScorer, checked, single
from hybrid_llm.scoring.embedding import EmbeddingScorer, RememberingScorer, features_of
from hybrid_llm.scoring.encoder import Encoded, Encoder, QueryTokenizer, available_cpus
from hybrid_llm.scoring.encoder_folder import ENCODER_FOLDER, ENCODER_LIMITS, NOTICE, EncoderInfo, copy_encoder
from hybrid_llm.scoring.familiar import NEAREST, UNFAMILIAR, Familiarity, distances
from hybrid_llm.scoring.features import NAMES, VERSION, feature_names, read_as, text_features
from hybrid_llm.scoring.head import Head, gaussian_kernel, scaled, squared_distances, squash
from hybrid_llm.scoring.logit import LogitHead, NetworkScorer
from hybrid_llm.scoring.pushes import MEANING, Push, pushes_of

__all__ = [
    "ENCODER_FOLDER",
    "ENCODER_LIMITS",
    "MEANING",
    "NAMES",
    "NEAREST",
    "NOTICE",
    "UNFAMILIAR",
    "VERSION",
    "EmbeddingScorer",
    "Encoded",
    "Encoder",
    "EncoderInfo",
    "Familiarity",
    "Head",
    "LogitHead",
    "NetworkScorer",
    "Progress",
    "Push",
    "QueryTokenizer",
    "RememberingScorer",
    "Scorer",
    "Scores",
    "Scoring",
    "TrainedScorer",
    "available_cpus",
    "checked",
    "copy_encoder",
    "distances",
    "feature_names",
    "features_of",
    "gaussian_kernel",
    "pushes_of",
    "read_as",
    "scaled",
    "single",
    "squared_distances",
    "squash",
    "text_features",
]
