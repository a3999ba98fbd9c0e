"""Models of two layers with random weights, made on the spot, that can read ``tests.small_table``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tests.small_table import TOPICS

WORDS = [
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    *TOPICS,
    "Question",
    "about",
    ":",
    "what",
    "is",
    "number",
    "?",
    "-",
    *map(str, range(60)),
]
PAD = WORDS.index("<pad>")
FAMILIES = {
    "Bert": {},  # MiniLM is one of these
    "Roberta": {"max_position_embeddings": 66},
    "DebertaV2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8},
    "ModernBert": {"global_attn_every_n_layers": 2, "local_attention": 8},
}


def write_model(folder: Path, family: str = "Bert", **config: Any) -> Path:
    """Write a model of a family, hidden size 32, with a tokenizer of a few words."""
    import torch
    import transformers

    from hybrid_llm.training.onnx.hub import quiet

    sizes = {"vocab_size": len(WORDS), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    more = {"intermediate_size": 48, "max_position_embeddings": 64, "pad_token_id": PAD, **FAMILIES[family]}
    ids = {"bos_token_id": 0, "cls_token_id": 0, "eos_token_id": 2, "sep_token_id": 2}
    torch.manual_seed(0)
    settings = getattr(transformers, f"{family}Config")(**{**sizes, **more, **ids, **config})
    with quiet():
        getattr(transformers, f"{family}Model")(settings).save_pretrained(folder)
    write_tokenizer(folder)
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# A model\n")
    return folder


def write_sentencepiece(folder: Path) -> None:
    """Replace the tokenizer by a SentencePiece model alone, which is how DeBERTa-v3 comes from the hub."""
    import sentencepiece

    for file in folder.glob("token*"):
        file.unlink()
    words = [word for word in WORDS if word.isalpha()]
    special = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
    pieces = {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(f"{one} {other}" for one in words for other in words),
        model_prefix=str(folder / "spm"),
        vocab_size=len(WORDS) - 10,
        hard_vocab_limit=False,
        user_defined_symbols=["[MASK]"],
        minloglevel=2,
        **special,
        **pieces,
    )
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False, "vocab_type": "spm"}))


def write_tokenizer(folder: Path) -> None:
    import transformers

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
