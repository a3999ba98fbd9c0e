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
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hybrid_llm.errors import DamagedFolderError, EncoderError, NewerFormatError, RouterFolderError
from hybrid_llm.router.card import model_card
from hybrid_llm.router.parts import RouterParts
from hybrid_llm.router.record import SeenRows, TrainingRecord
from hybrid_llm.scoring import TrainedScorer

if TYPE_CHECKING:
    from hybrid_llm.calibration import Calibration
    from hybrid_llm.certify import Menu

T = TypeVar("T")

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
SHIPPED_ROUTER: Final = Path(__file__).parents[1] / "pretrained" / "router"


def write_router(parts: RouterParts, path: Path) -> None:
    """Write a router folder; an interrupted write leaves the old folder as it was.

    Raises:
        RouterFolderError: The router has no weights of ours, the place is taken by something else, or the disk
            refuses.
    """
    scorer, record = parts.scorer, parts.record
    if not isinstance(scorer, TrainedScorer) or record is None:
        raise RouterFolderError("Only a trained router can be saved; this one wraps a scorer of your own.")
    refuse_foreign(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
            fresh, old = Path(scratch, "new"), Path(scratch, "old")
            if path.exists():  # what else the user keeps there stays
                shutil.copytree(path, fresh, symlinks=True, ignore=shutil.ignore_patterns(*OURS))
            fresh.mkdir(exist_ok=True)
            _write_files(parts, scorer, record, fresh)
            if path.exists():
                path.rename(old)
            fresh.rename(path)
    except OSError as error:
        raise RouterFolderError(f"Cannot write {path}: {error.strerror or error}.") from error


def refuse_foreign(path: Path) -> None:
    """Refuse a place that something else than a router folder has taken; an empty folder will do.

    Raises:
        RouterFolderError: The place is taken.
    """
    if path.exists() and not (path / MANIFEST).is_file() and (not path.is_dir() or any(path.iterdir())):
        raise RouterFolderError(f"{path} exists and is no router folder; choose another --out.")


def refuse_replacing(path: Path, *, force: bool, staying: RouterParts | None = None) -> None:
    """Refuse a place where something would be lost: a trained router, its thresholds or its certificate.

    Args:
        path: Where a router folder is to be written.
        force: Whether a router folder may be replaced; anything else may never be.
        staying: What of the router to be written is known already. Parts that the folder holds too are not lost.

    Raises:
        RouterFolderError: Something would be lost; the message says what.
    """
    refuse_foreign(path)
    if force or not (path / MANIFEST).is_file():
        return
    lost = _lost(path, staying)
    if lost:
        raise RouterFolderError(f"{path} {lost}; add --force to replace it, or choose another --out.")


def _lost(path: Path, staying: RouterParts | None) -> str:
    """Say what a router folder loses when a router with these parts takes its place; nothing when all of it stays."""
    try:
        old = read_router(path)
    except (RouterFolderError, EncoderError):
        return "holds a router that cannot be read"
    measured, proved = old.calibration, old.certificate if old.proves else None
    if staying is None or staying.id != old.id:
        about = [_trained(old)]
        if measured is not None and len(set(old.pairs)) > 1:
            about.append(f"calibrated for {measured.small} -> {measured.large}")
        if proved is not None:
            about.append("with a certificate")
        return f"holds {', '.join(about)}"
    lost = []
    if measured is not None and measured != staying.calibration:
        lost.append(f"its thresholds for {measured.small} -> {measured.large}, measured on {measured.n:,} rows")
    if proved is not None and proved != staying.certificate:
        lost.append(f"its certificate for {proved.provenance.small} -> {proved.provenance.large}")
    return f"would lose {', and '.join(lost)}" if lost else ""


def _trained(parts: RouterParts) -> str:
    record = parts.record
    return f"a router trained on {record.n_fit:,} rows ({record.small} -> {record.large})" if record else "a router"


def _write_files(parts: RouterParts, scorer: TrainedScorer, record: TrainingRecord, folder: Path) -> None:
    from safetensors.numpy import save

    (folder / HEAD).write_bytes(save(scorer.head.tensors()))
    (folder / SEEN).write_bytes(save({"ids": record.seen.ids, "texts": record.seen.texts}))
    if parts.calibration is not None:
        _write_json(folder / CALIBRATION, parts.calibration.as_dict(), indent=None)
    if parts.certificate is not None:
        _write_json(folder / CERTIFICATE, parts.certificate.as_dict())
    if not scorer.encoder.shipped:
        shutil.copytree(scorer.encoder.path, folder / ENCODER)
    manifest = {
        "format_version": FORMAT_VERSION,
        "id": parts.id,
        "encoder": {"id": scorer.encoder.id, "sha256": scorer.encoder.sha256, "shipped": scorer.encoder.shipped},
        "training": record.as_dict(),
        "files": {file.relative_to(folder).as_posix(): _sha256(file) for file in _our_files(folder)},
    }
    _write_json(folder / MANIFEST, manifest)
    (folder / CARD).write_text(model_card(parts), encoding="utf-8")


def _our_files(folder: Path) -> list[Path]:
    """Return the files that router.json answers for: ours, without itself and the card, which people may edit."""
    names = [folder / name for name in OURS if name not in (MANIFEST, CARD)]
    files = [file for name in names for file in (sorted(name.rglob("*")) if name.is_dir() else [name])]
    return [file for file in files if file.is_file()]


def read_router(path: str | Path | None) -> RouterParts:
    """Read a router folder; ``None`` is the shipped one.

    Raises:
        RouterFolderError: There is no router folder at the path.
        DamagedFolderError: A file is missing, unreadable, or has another hash than router.json says.
        NewerFormatError: The folder was written by a later version of the library.
    """
    folder = SHIPPED_ROUTER if path is None else Path(path)
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
        if _sha256(file) != digest:
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


def _write_json(file: Path, data: dict[str, Any], indent: int | None = 1) -> None:
    file.write_text(json.dumps(data, indent=indent, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
