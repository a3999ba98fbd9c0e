"""The encoder folder on disk: what ``encoder.json`` says, and the hashes that hold the other files to it."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from hybrid_llm.disk import Kind
from hybrid_llm.errors import DamagedEncoderError, EncoderError, NewerFormatError
from hybrid_llm.untrusted import (
    BadFileError,
    check_graph,
    check_tokenizer,
    escaped,
    parse_json,
    printable,
    read_regular,
)

SHIPPED: Final = Path(__file__).parents[1] / "pretrained"
"""Where the shipped encoder lies."""
FORMAT: Final = 1
"""The format of the encoder folder that this version writes, and the newest that it reads."""
DESCRIPTION: Final = "encoder.json"
GRAPH: Final = "encoder.onnx"
VOCABULARY: Final = "tokenizer.json"
NOTICE: Final = "NOTICE"
"""What a model's licence asks to be kept; the one file that encoder.json does not answer for."""
ENCODER_FOLDER: Final = Kind(
    "encoder folder",
    mark=DESCRIPTION,
    names=frozenset({DESCRIPTION, GRAPH, VOCABULARY, NOTICE}),
    error=EncoderError,
)
ENCODER_LIMITS: Final = {DESCRIPTION: 1 << 16, GRAPH: (2 << 30) - 1, VOCABULARY: 40 << 20, NOTICE: 1 << 20}
"""Bytes that each file may have. A graph in one file cannot have more."""
LARGEST_DIM: Final = 16_384
MOST_TOKENS: Final = 32_768
_HASH: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """What ``encoder.json`` says of the encoder beside it.

    Args:
        name: The readable half of the encoder's id.
        dim: Length of an embedding; 1 for a fine-tuned network, which gives a logit in its place.
        max_tokens: Tokens that the encoder reads of a text, special tokens included.
        pooling: How token vectors become one: ``"mean"`` or ``"cls"``; it is inside the graph already.
        quantisation: ``"none"``, or how the weights were made 8 bits wide.
        files: sha256 of ``encoder.onnx`` and ``tokenizer.json``.
        weights_sha256: sha256 of the weights that the encoder was made from.
        made_with: Versions of the libraries that made it.
        format: Version of the folder's format.
    """

    name: str
    dim: int
    max_tokens: int
    pooling: str
    quantisation: str
    files: dict[str, str]
    weights_sha256: str
    made_with: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def weights(self) -> str:
        """The numbers that the weights are stored in, in words."""
        return "float32" if self.quantisation == "none" else self.quantisation

    @property
    def sha256(self) -> str:
        """A hash of all that an embedding depends on: graph, tokenizer and token budget."""
        parts = (self.files[GRAPH], self.files[VOCABULARY], str(self.max_tokens))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def __post_init__(self) -> None:
        """Check kinds and ranges; what breaks them was not written by an export."""
        texts = (self.name, self.pooling, self.quantisation, self.weights_sha256)
        tables = (self.files, self.made_with)
        sound = (
            all(isinstance(text, str) for text in texts)
            and all(isinstance(table, dict) for table in tables)
            and all(isinstance(text, str) for table in tables for text in table.values())
            and {GRAPH, VOCABULARY} <= self.files.keys()
            and all(_HASH.fullmatch(self.files[name]) for name in (GRAPH, VOCABULARY))
            and type(self.dim) is type(self.max_tokens) is type(self.format) is int
            and 1 <= self.dim <= LARGEST_DIM
            and 1 <= self.max_tokens <= MOST_TOKENS
        )
        if not sound:
            raise BadFileError("says what no export writes")

    @classmethod
    def read(cls, folder: Path) -> EncoderInfo:
        """Read ``encoder.json``.

        Raises:
            DamagedEncoderError: There is no such file, or it is not what an export writes.
            NewerFormatError: A later version of the library wrote it.
        """
        path = folder / DESCRIPTION
        try:
            raw = escaped(parse_json(read_regular(path, ENCODER_LIMITS[DESCRIPTION])))
            newer = raw["format"] > FORMAT
            info = None if newer else cls(**raw)
        except FileNotFoundError:
            raise DamagedEncoderError(
                f"There is no encoder in {folder}: {DESCRIPTION} is missing. {remedy(folder)}"
            ) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DamagedEncoderError(f"{path} cannot be read ({printable(repr(error))}). {remedy(folder)}") from error
        if info is None:
            raise NewerFormatError(
                f"{path} has format {printable(raw['format'], 20)}, and this version of hybrid-llm reads up to "
                f"{FORMAT}. Update it: pip install -U hybrid-llm"
            )
        return info

    def write(self, folder: Path) -> None:
        """Write ``encoder.json``, readable and ending in a newline."""
        (folder / DESCRIPTION).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def checked_bytes(folder: Path, name: str, info: EncoderInfo) -> bytes:
    """Read a file and compare its hash with the one that ``encoder.json`` gives; look at what a stranger put in it.

    Raises:
        DamagedEncoderError: It is missing, another one, or not as such a file should be.
    """
    file = folder / name
    try:
        content = read_regular(file, ENCODER_LIMITS[name])
        if hashlib.sha256(content).hexdigest() != info.files[name]:
            raise DamagedEncoderError(f"{file} is not the file that was written. {remedy(folder)}")
        if folder != SHIPPED:  # what came with the library is as good as its code
            _LOOKS[name](content)
    except OSError as error:
        raise DamagedEncoderError(f"{file} cannot be read ({error.strerror}). {remedy(folder)}") from error
    except ValueError as error:
        raise DamagedEncoderError(f"{file} {said(error)}. {remedy(folder)}") from error
    return content


_LOOKS: Final = {GRAPH: check_graph, VOCABULARY: check_tokenizer}


def said(error: ValueError) -> str:
    """Return what is wrong with a file, to stand after its name."""
    return str(error) if isinstance(error, BadFileError) else f"cannot be read ({printable(error)})"


def copy_encoder(folder: Path, sha256: str, to: Path) -> None:
    """Copy an encoder, and nothing else that lies beside it; no link is followed to a file that is none of its own.

    Args:
        folder: Its folder.
        sha256: The hash of the encoder that was loaded from there.
        to: A folder that is not there yet.

    Raises:
        EncoderError: The folder holds another encoder by now.
        DamagedEncoderError: A file is not the one that encoder.json stands for.
    """
    info = EncoderInfo.read(folder)
    if info.sha256 != sha256:
        raise EncoderError(f"{folder} holds another encoder by now; load the router again, or train again.")
    to.mkdir()
    for name in (GRAPH, VOCABULARY):
        (to / name).write_bytes(checked_bytes(folder, name, info))
    with suppress(FileNotFoundError, BadFileError):  # there need not be one, and a link is none
        (to / NOTICE).write_bytes(read_regular(folder / NOTICE, ENCODER_LIMITS[NOTICE]))
    info.write(to)


def remedy(folder: Path) -> str:
    """Say how to get a good folder."""
    if folder == SHIPPED:
        return "Install the library again: pip install --force-reinstall hybrid-llm"
    return f"Export it again: hybrid-llm export MODEL --out {folder}"
