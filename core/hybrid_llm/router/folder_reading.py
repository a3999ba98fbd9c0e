"""The reading of a router folder: every file is checked against its hash, and nothing in it is ever run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hybrid_llm.disk import steadily
from hybrid_llm.errors import DamagedFolderError, EncoderError, NewerFormatError, RouterFolderError
from hybrid_llm.router.folder import (
    CALIBRATION,
    CERTIFICATE,
    ENCODER,
    FORMAT_VERSION,
    HEAD,
    MANIFEST,
    SEEN,
    sha256_of,
)
from hybrid_llm.router.parts import RouterParts
from hybrid_llm.router.record import SeenRows, TrainingRecord
from hybrid_llm.scoring import TrainedScorer

if TYPE_CHECKING:
    from hybrid_llm.calibration import Calibration
    from hybrid_llm.certify import Menu

T = TypeVar("T")

SHIPPED_ROUTER: Final = Path(__file__).parents[1] / "pretrained" / "router"


def read_router(path: str | Path | None) -> RouterParts:
    """Read a router folder; ``None`` is the shipped one.

    Raises:
        RouterFolderError: There is no router folder at the path.
        DamagedFolderError: A file is missing, unreadable, or has another hash than router.json says.
        NewerFormatError: The folder was written by a later version of the library.
    """
    folder = SHIPPED_ROUTER if path is None else Path(path)
    return steadily(folder, lambda: _read(folder))


def _read(folder: Path) -> RouterParts:
    manifest = _read_manifest(folder)
    _check_hashes(folder, manifest)
    scorer = _guarded(folder, lambda: _read_scorer(folder, manifest))
    if scorer.id != manifest["id"]:
        raise DamagedFolderError(f"{folder}: the weights do not belong to router.json (id {manifest['id']}).")
    return RouterParts(
        scorer=scorer,
        calibration=_guarded(folder, lambda: _read_calibration(folder)),
        certificate=_guarded(folder, lambda: _read_certificate(folder)),
        record=_guarded(folder, lambda: _read_record(folder, manifest)),
        path=folder,
    )


def _read_manifest(folder: Path) -> dict[str, Any]:
    file = folder / MANIFEST
    if not file.is_file():
        if folder == SHIPPED_ROUTER:
            raise RouterFolderError("The shipped router is missing: pip install --force-reinstall hybrid-llm")
        what = "is no router folder (it has no router.json)" if folder.is_dir() else "does not exist"
        raise RouterFolderError(f"{folder} {what}; make one with: hybrid-llm train ... --out {folder}")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        version = manifest["format_version"]
        whole = {"id", "encoder", "training", "files"} <= set(manifest) and isinstance(version, int)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DamagedFolderError(f"{file} cannot be read ({error}); restore it or train again.") from error
    if whole and version > FORMAT_VERSION:
        raise NewerFormatError(
            f"{folder} has format {version}; this version of the library reads up to {FORMAT_VERSION}: "
            "pip install -U hybrid-llm"
        )
    if not whole:
        raise DamagedFolderError(f"{file} lacks some of its fields; restore it or train again.")
    return dict(manifest)


def _check_hashes(folder: Path, manifest: dict[str, Any]) -> None:
    for name, digest in manifest["files"].items():
        file = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute() or not file.is_file():
            raise DamagedFolderError(f"{folder}: {name} is missing; restore it or train again.")
        if sha256_of(file) != digest:
            raise DamagedFolderError(f"{folder}: {name} was changed after it was written; restore it or train again.")
    for name in (CALIBRATION, CERTIFICATE):
        if (folder / name).exists() and name not in manifest["files"]:
            raise DamagedFolderError(f"{folder}: {name} does not belong to this router; remove it.")


def _read_scorer(folder: Path, manifest: dict[str, Any]) -> TrainedScorer:
    from safetensors.numpy import load_file

    from hybrid_llm.scoring import EmbeddingScorer, Encoder, Head, LogitHead, NetworkScorer

    wanted = manifest["encoder"]
    encoder: Encoder = Encoder.load(None if wanted["shipped"] else folder / ENCODER)
    if encoder.sha256 != wanted["sha256"]:
        raise EncoderError(
            f"{folder} was trained on the encoder {wanted['id']}, and this installation ships {encoder.id}: "
            "install the version of hybrid-llm that trained it, or train again."
        )
    tensors = load_file(folder / HEAD)
    if manifest["training"]["recipe"] == "full":
        return NetworkScorer(encoder, LogitHead.from_tensors(tensors))
    return EmbeddingScorer(encoder, Head.from_tensors(tensors))


def _read_record(folder: Path, manifest: dict[str, Any]) -> TrainingRecord:
    from safetensors.numpy import load_file

    return TrainingRecord.from_dict(manifest["training"], SeenRows(**load_file(folder / SEEN)))


def _read_calibration(folder: Path) -> Calibration | None:
    from hybrid_llm.calibration import Calibration

    file = folder / CALIBRATION
    return Calibration.from_dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def _read_certificate(folder: Path) -> Menu | None:
    from hybrid_llm.certify import Menu

    file = folder / CERTIFICATE
    return Menu.from_dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def _guarded(folder: Path, read: Callable[[], T]) -> T:
    """Read a part of the folder; whatever its bytes make a parser raise becomes one error of ours."""
    from safetensors import SafetensorError

    try:
        return read()
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        raise DamagedFolderError(f"{folder} is damaged ({error}); restore it or train again.") from error
