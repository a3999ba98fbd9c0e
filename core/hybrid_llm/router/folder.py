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
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.errors import DamagedFolderError, EncoderError, NewerFormatError, RouterFolderError

if TYPE_CHECKING:
    from hybrid_llm.router.router import Router
    from hybrid_llm.scoring import Encoder

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


def write_router(router: Router, path: Path) -> None:
    """Write a router folder; an interrupted write leaves the old folder as it was.

    Raises:
        RouterFolderError: The router has no weights of ours, the place is taken by something else, or the disk
            refuses.
    """
    from hybrid_llm.scoring import RememberingScorer

    if not isinstance(router.scorer, RememberingScorer) or router.record is None:
        raise RouterFolderError("Only a trained router can be saved; this one wraps a scorer of your own.")
    refuse_foreign(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
            fresh, old = Path(scratch, "new"), Path(scratch, "old")
            if path.exists():  # what else the user keeps there stays
                shutil.copytree(path, fresh, symlinks=True, ignore=shutil.ignore_patterns(*OURS))
            fresh.mkdir(exist_ok=True)
            _write_files(router, router.scorer, fresh)
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


def _write_files(router: Router, scorer: Any, folder: Path) -> None:
    from safetensors.numpy import save

    from hybrid_llm.router.card import model_card

    record = router.record
    assert record is not None
    (folder / HEAD).write_bytes(save(scorer.head.tensors()))
    (folder / SEEN).write_bytes(save({"ids": record.seen.ids, "texts": record.seen.texts}))
    if router.calibration is not None:
        _write_json(folder / CALIBRATION, router.calibration.as_dict(), indent=None)
    if router.certificate is not None:
        _write_json(folder / CERTIFICATE, router.certificate.as_dict())
    if not scorer.encoder.shipped:
        shutil.copytree(scorer.encoder.path, folder / ENCODER)
    manifest = {
        "format_version": FORMAT_VERSION,
        "id": router.id,
        "encoder": {"id": scorer.encoder.id, "sha256": scorer.encoder.sha256, "shipped": scorer.encoder.shipped},
        "training": record.as_dict(),
        "files": {file.relative_to(folder).as_posix(): _sha256(file) for file in _our_files(folder)},
    }
    _write_json(folder / MANIFEST, manifest)
    (folder / CARD).write_text(model_card(router), encoding="utf-8")


def _our_files(folder: Path) -> list[Path]:
    """Return the files that router.json answers for: ours, without itself and the card, which people may edit."""
    names = [folder / name for name in OURS if name not in (MANIFEST, CARD)]
    files = [file for name in names for file in (sorted(name.rglob("*")) if name.is_dir() else [name])]
    return [file for file in files if file.is_file()]


def read_router(path: str | Path | None) -> dict[str, Any]:
    """Read a router folder (the shipped one for ``None``) into the arguments of ``Router``.

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
    return {
        "scorer": scorer,
        "record": _guarded(folder, lambda: _read_record(folder, manifest)),
        "calibration": _guarded(folder, lambda: _read_calibration(folder)),
        "certificate": _guarded(folder, lambda: _read_certificate(folder)),
        "path": folder,
    }


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


def _read_scorer(folder: Path, manifest: dict[str, Any]) -> Any:
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


def _read_record(folder: Path, manifest: dict[str, Any]) -> Any:
    from safetensors.numpy import load_file

    from hybrid_llm.router.record import SeenRows, TrainingRecord

    return TrainingRecord.from_dict(manifest["training"], SeenRows(**load_file(folder / SEEN)))


def _read_calibration(folder: Path) -> Any:
    from hybrid_llm.calibration import Calibration

    file = folder / CALIBRATION
    return Calibration.from_dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def _read_certificate(folder: Path) -> Any:
    from hybrid_llm.certify import Menu

    file = folder / CERTIFICATE
    return Menu.from_dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def _guarded(folder: Path, read: Callable[[], Any]) -> Any:
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
