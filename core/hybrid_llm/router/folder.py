"""The router folder on disk: JSON, safetensors and ONNX, each file with its hash; nothing in it is ever run.

::

    router.json          format version, id, pair, encoder, training record, hashes of the other files
    head.safetensors     the weights
    seen.safetensors     64-bit hashes of the rows that training saw
    calibration.json     thresholds measured for a pair       (when calibrated)
    certificate.json     thresholds proved for a pair          (when certified)
    encoder/             the encoder, or the fine-tuned network (only when it is not the shipped one)
    README.md            the model card
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

FORMAT_VERSION: Final = 2
"""2: a head may read text features of version 2, have a linear part and a measure of familiarity."""
MANIFEST: Final = "router.json"
HEAD: Final = "head.safetensors"
SEEN: Final = "seen.safetensors"
CALIBRATION: Final = "calibration.json"
CERTIFICATE: Final = "certificate.json"
ENCODER: Final = "encoder"
CARD: Final = "README.md"
OURS: Final = (MANIFEST, HEAD, SEEN, CALIBRATION, CERTIFICATE, ENCODER, CARD)


def our_files(folder: Path) -> list[Path]:
    """Return the files that router.json answers for: ours, without itself and the card, which people may edit."""
    names = [folder / name for name in OURS if name not in (MANIFEST, CARD)]
    files = [file for name in names for file in (sorted(name.rglob("*")) if name.is_dir() else [name])]
    return [file for file in files if file.is_file()]


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
