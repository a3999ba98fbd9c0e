"""The encoder folder on disk: what ``encoder.json`` says, and the hashes that hold the other files to it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from hybrid_llm.disk import Kind
from hybrid_llm.errors import DamagedFolderError, EncoderError, NewerFormatError

SHIPPED: Final = Path(__file__).parents[1] / "pretrained"
"""Where the shipped encoder lies."""
NOTICE: Final = "NOTICE"
"""What a model's licence asks to be kept; the one file that encoder.json does not answer for."""
ENCODER_FOLDER: Final = Kind(
    "encoder folder",
    mark="encoder.json",
    names=frozenset({"encoder.json", "encoder.onnx", "tokenizer.json", NOTICE}),
    error=EncoderError,
)
FORMAT: Final = 1
"""The format of the encoder folder that this version writes, and the newest that it reads."""


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
        parts = (self.files["encoder.onnx"], self.files["tokenizer.json"], str(self.max_tokens))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @classmethod
    def read(cls, folder: Path) -> EncoderInfo:
        """Read ``encoder.json``.

        Raises:
            EncoderError: There is no such file.
            DamagedFolderError: It is not what an export writes.
            NewerFormatError: A later version of the library wrote it.
        """
        path = folder / "encoder.json"
        try:
            raw = json.loads(path.read_bytes())
            newer = raw["format"] > FORMAT
            info = None if newer else cls(**raw)
            if info is not None and not {"encoder.onnx", "tokenizer.json"} <= info.files.keys():
                raise KeyError("files")
        except FileNotFoundError:
            raise EncoderError(f"There is no encoder in {folder}: encoder.json is missing. {remedy(folder)}") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DamagedFolderError(f"{path} cannot be read ({error!r}). {remedy(folder)}") from error
        if info is None:
            raise NewerFormatError(
                f"{path} has format {raw['format']}, and this version of hybrid-llm reads up to {FORMAT}. "
                "Update it: pip install -U hybrid-llm"
            )
        return info

    def write(self, folder: Path) -> None:
        """Write ``encoder.json``, readable and ending in a newline."""
        (folder / "encoder.json").write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def checked_bytes(folder: Path, name: str, info: EncoderInfo) -> bytes:
    """Read a file and compare its hash with the one that ``encoder.json`` gives."""
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise DamagedFolderError(f"{folder / name} cannot be read ({error.strerror}). {remedy(folder)}") from error
    if hashlib.sha256(content).hexdigest() != info.files[name]:
        raise DamagedFolderError(f"{folder / name} is not the file that was written. {remedy(folder)}")
    return content


def copy_encoder(folder: Path, sha256: str, to: Path) -> None:
    """Copy an encoder, and nothing else that lies beside it; no link is followed to a file that is none of its own.

    Args:
        folder: Its folder.
        sha256: The hash of the encoder that was loaded from there.
        to: A folder that is not there yet.

    Raises:
        EncoderError: The folder holds another encoder by now.
        DamagedFolderError: A file is not the one that encoder.json stands for.
    """
    info = EncoderInfo.read(folder)
    if info.sha256 != sha256:
        raise EncoderError(f"{folder} holds another encoder by now; load the router again, or train again.")
    to.mkdir()
    for name in ("encoder.onnx", "tokenizer.json"):
        (to / name).write_bytes(checked_bytes(folder, name, info))
    notice = folder / NOTICE
    if notice.is_file() and not notice.is_symlink():
        (to / NOTICE).write_bytes(notice.read_bytes())
    info.write(to)


def remedy(folder: Path) -> str:
    """Say how to get a good folder."""
    if folder == SHIPPED:
        return "Install the library again: pip install --force-reinstall hybrid-llm"
    return f"Export it again: hybrid-llm export MODEL --out {folder}"
