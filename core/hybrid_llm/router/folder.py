"""The router folder on disk: JSON, safetensors and ONNX, each file with its size and hash; nothing in it is ever run.

::

    router.json          format version, id, pair, encoder, training record, the other files' sizes and hashes, a seal
    head.safetensors     the weights
    seen.safetensors     salted 64-bit hashes of the rows that training saw
    calibration.json     thresholds measured for a pair       (when calibrated)
    certificate.json     thresholds proved for a pair          (when certified)
    look/                a second look: FORM.json for each form, certificate.json for the whole path
    encoder/             the encoder, or the fine-tuned network (only when it is not the shipped one)
    README.md            the model card

``id`` names what the scores depend on, and stays the same when thresholds are measured again. ``seal`` names all there
is: it is the hash of the rest of router.json, which holds the hashes of the other files. The model card is for people,
who may edit it: it has no hash, and nothing reads it. Files of other names may lie beside these; nothing opens them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hybrid_llm.look import FORMS
from hybrid_llm.scoring import ENCODER_LIMITS, NOTICE

FORMAT_VERSION: Final = 4
"""1: no more than the above. 2: a head may read text features of version 2, have a linear part and a measure of
familiarity. 3: each file with its size, a seal, and hashes of rows that are salted. 4: second looks; a folder
without one is still written as 3, for the versions that know no more."""
WITHOUT_LOOK: Final = 3
MANIFEST: Final = "router.json"
HEAD: Final = "head.safetensors"
SEEN: Final = "seen.safetensors"
CALIBRATION: Final = "calibration.json"
CERTIFICATE: Final = "certificate.json"
LOOK: Final = "look"
LOOKS: Final[Mapping[str, str]] = {form: f"{LOOK}/{form}.json" for form in FORMS}
LOOK_CERTIFICATE: Final = f"{LOOK}/certificate.json"
ENCODER: Final = "encoder"
CARD: Final = "README.md"
OURS: Final = (MANIFEST, HEAD, SEEN, CALIBRATION, CERTIFICATE, LOOK, ENCODER, CARD)
ENCODER_FILES: Final = {f"{ENCODER}/{name}": limit for name, limit in ENCODER_LIMITS.items()}
LIMITS: Final = {
    MANIFEST: 4 << 20,
    HEAD: 64 << 20,
    SEEN: 256 << 20,
    CALIBRATION: 4 << 20,
    CERTIFICATE: 4 << 20,
    **dict.fromkeys((*LOOKS.values(), LOOK_CERTIFICATE), 4 << 20),
    **ENCODER_FILES,
}
"""Bytes that a file may have."""

ENCODER_NEEDS: Final = tuple(name for name in ENCODER_FILES if not name.endswith(NOTICE))
"""Files without which there is no encoder."""


def seal_of(manifest: Mapping[str, Any]) -> str:
    """Return the hash of all that router.json says, but for the seal itself: not of how it is laid out.

    Example:
        >>> seal_of({"a": 1, "seal": "..."}) == seal_of({"a": 1})
        True
    """
    said = {key: value for key, value in manifest.items() if key != "seal"}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def our_files(folder: Path) -> list[Path]:
    """Return the files that router.json answers for: ours, without itself and the card, which people may edit."""
    names = [folder / name for name in OURS if name not in (MANIFEST, CARD)]
    files = [file for name in names for file in (sorted(name.rglob("*")) if name.is_dir() else [name])]
    return [file for file in files if file.is_file()]


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
