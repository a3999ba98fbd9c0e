"""The loading of a model from a folder or the Hugging Face hub: weights in safetensors only, and no code."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.errors import EncoderError, MissingExtraError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_DOWNLOADED: Final = ["*.json", "*.safetensors", "*.txt", "*.model", "README.md"]
_SENTENCEPIECE: Final = ("spm.model", "sentencepiece.bpe.model")
_VOCABULARIES: Final = ("tokenizer.json", "vocab.txt", "vocab.json", *_SENTENCEPIECE)
_CONVERTER: Final = "SFconvertbot"
"""The hub's own account that offers safetensors, as a pull request, for models that have only pickled weights."""


def folder_of(source: str | Path) -> Path:
    """Return the folder itself, or download the safe files of a hub id.

    Where a model on the hub has pickled weights only, the safetensors that the hub's converter offers for it are taken.

    Raises:
        EncoderError: It is no folder, and the hub did not give it.
    """
    if Path(source).is_dir():
        return Path(source)
    # HTTPError is that of the HTTP library below, which differs between the hub client's versions
    from huggingface_hub.errors import HFValidationError, HTTPError, LocalEntryNotFoundError  # type: ignore[attr-defined]

    try:
        folder = _download(str(source), None)
        if not any(folder.glob("*.safetensors")) and (converted := _converted(str(source))):
            folder = _download(str(source), converted)
    except (LocalEntryNotFoundError, HTTPError, HFValidationError, OSError) as error:
        raise EncoderError(
            f"{str(source)!r} is no folder here, and the Hugging Face hub did not give it ({reason(error)}). "
            "Pass the path of a folder with the model in it."
        ) from error
    return folder


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(name, revision=revision, allow_patterns=_DOWNLOADED, ignore_patterns=["*/*.safetensors"])
    )


def _converted(name: str) -> str | None:
    """Return the revision with the converter's safetensors of a model, if it is offered; found online only."""
    from huggingface_hub import constants, get_repo_discussions
    from huggingface_hub.errors import HfHubHTTPError

    if constants.HF_HUB_OFFLINE:
        return None
    try:
        offers = get_repo_discussions(name, author=_CONVERTER, discussion_type="pull_request", discussion_status="open")
        return next((offer.git_reference for offer in offers if offer.author == _CONVERTER), None)
    except HfHubHTTPError:  # a model may have its discussions closed
        return None


def hash_of_weights(folder: Path) -> str:
    """Hash the weights: the sha256 of the one file, or of all in the order of their names.

    Raises:
        EncoderError: There are none in safetensors.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise EncoderError(
            f"{folder} has no .safetensors weights, and pickled ones are not read. "
            "Convert them where you trust them: model.save_pretrained(folder)"
        )
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def fast_tokenizer(folder: Path) -> Tokenizer:
    """Load the fast tokenizer of a model.

    Raises:
        EncoderError: It has none.
        MissingExtraError: It has to be made from a SentencePiece model, as that of DeBERTa-v3, and sentencepiece is
            not installed.
    """
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    found = [name for name in _VOCABULARIES if (folder / name).is_file()]
    if not found:  # transformers would make up an empty one
        raise EncoderError(f"{folder} has no tokenizer ({', '.join(_VOCABULARIES)}); put the model's own there.")
    if found[0] in _SENTENCEPIECE and importlib.util.find_spec("sentencepiece") is None:
        raise MissingExtraError.of(f"The tokenizer in {folder}, a SentencePiece model,", "finetune")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise EncoderError(f"The tokenizer in {folder} cannot be loaded: {reason(error)}") from error
    if not tokenizer.is_fast:
        raise EncoderError(f"The model in {folder} has no fast tokenizer (tokenizer.json); choose one that has.")
    return Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())


def load_model(folder: Path, **options: Any) -> Any:
    """Load a text encoder with float32 weights; ``options`` go to ``AutoModel.from_pretrained``.

    Raises:
        EncoderError: It cannot be loaded, or has a decoder too.
    """
    from safetensors import SafetensorError
    from transformers import AutoModel

    try:
        model = AutoModel.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, trust_remote_code=False, **options
        )
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        raise EncoderError(f"The model in {folder} cannot be loaded: {reason(error)}") from error
    if model.config.is_encoder_decoder:
        raise EncoderError(f"The model in {folder} has a decoder too; choose one that is an encoder alone.")
    return model.float()


def reason(error: Exception) -> str:
    """Return the first line of what an error says; the rest is advice for users of the library below."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def shown(source: str | Path) -> str:
    """Return a source as others may see it: a hub id as it is, a local folder without the way to it."""
    return Path(source).resolve().name if Path(source).is_dir() else str(source)


def licence_of(folder: Path) -> str:
    """Return the licence that the model card names."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    found = re.search(r"\A---\n(?:.*\n)*?license:[ \t]*([\w.+-]+)", text)
    return found[1] if found else "not named by its model card"


def versions(what: str, *modules: str) -> dict[str, str]:
    """Import what something depends on, and return the versions.

    Args:
        what: What needs them, for the error.
        modules: Names of the modules.

    Raises:
        MissingExtraError: One is not installed.
    """
    try:
        return {name: importlib.import_module(name).__version__ for name in modules}
    except ImportError as error:
        raise MissingExtraError.of(what, "finetune") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back what torch and transformers say of their own insides; what matters here is checked and raised."""
    from transformers.utils import logging as hf_logging

    level, bars = logging.root.manager.disable, hf_logging.is_progress_bar_enabled()
    logging.disable(logging.WARNING)
    hf_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        if bars:
            hf_logging.enable_progress_bar()
