"""The writing of a router folder, and what would be lost where one is written."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from hybrid_llm.disk import Kind, claimed, whole_folder
from hybrid_llm.errors import EncoderError, RouterFolderError
from hybrid_llm.look import SecondLook
from hybrid_llm.router.card import model_card
from hybrid_llm.router.folder import (
    CALIBRATION,
    CARD,
    CERTIFICATE,
    ENCODER,
    FORMAT_VERSION,
    HEAD,
    LIMITS,
    LOOK,
    LOOK_CERTIFICATE,
    LOOKS,
    MANIFEST,
    SEEN,
    WITHOUT_LOOK,
    our_files,
    seal_of,
    sha256_of,
)
from hybrid_llm.router.folder_reading import read_router
from hybrid_llm.router.parts import RouterParts
from hybrid_llm.router.record import TrainingRecord
from hybrid_llm.scoring import ENCODER_FOLDER, TrainedScorer, copy_encoder
from hybrid_llm.untrusted import parse_json, read_regular

ROUTER_FOLDER: Final = Kind(
    "router folder",
    mark=MANIFEST,
    names=frozenset({MANIFEST, HEAD, SEEN, CALIBRATION, CERTIFICATE, *LOOKS.values(), LOOK_CERTIFICATE, CARD})
    | {f"{ENCODER}/{name}" for name in ENCODER_FOLDER.names},
    error=RouterFolderError,
)


def write_router(parts: RouterParts, path: Path) -> None:
    """Write a router folder; whatever interrupts it, its place holds the old folder or the new one.

    Raises:
        RouterFolderError: The router has no weights of ours, the place is taken by something else, somebody else is
            writing there, or the disk refuses.
    """
    scorer, record = parts.scorer, parts.record
    if not isinstance(scorer, TrainedScorer) or record is None:
        raise RouterFolderError("Only a trained router can be saved; this one wraps a scorer of your own.")
    with whole_folder(path, _kind_of(path)) as fresh:
        _write_files(parts, scorer, record, fresh)


def claim(path: Path) -> AbstractContextManager[Path]:
    """Keep other writers away from a router folder, for work whose result is written there at its end.

    Raises:
        RouterFolderError: Somebody else is writing there, or nothing can be.
    """
    return claimed(path, RouterFolderError)


def refuse_foreign(path: Path) -> None:
    """Refuse a place that holds anything but a router folder of ours; an empty folder will do.

    Raises:
        RouterFolderError: The place is taken, or files of the user's own lie in the router folder.
    """
    _kind_of(path).refuse(path)


def _kind_of(path: Path) -> Kind:
    """Return what a router folder may hold: the names of today, and those that its router.json lists."""
    try:
        listed = parse_json(read_regular(path / MANIFEST, LIMITS[MANIFEST]))["files"]
        return replace(ROUTER_FOLDER, names=ROUTER_FOLDER.names | set(map(str, listed)))
    except (OSError, ValueError, KeyError, TypeError):
        return ROUTER_FOLDER


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
    lost += [
        f"its second look ({form})" for form, look in old.looks.items() if not _stays(look, staying.looks.get(form))
    ]
    return f"would lose {', and '.join(lost)}" if lost else ""


def _stays(old: SecondLook, new: SecondLook | None) -> bool:
    return new is not None and old.as_dict() == new.as_dict() and old.certificate in (None, new.certificate)


def _trained(parts: RouterParts) -> str:
    record = parts.record
    return f"a router trained on {record.n_fit:,} rows ({record.small} -> {record.large})" if record else "a router"


def _write_files(parts: RouterParts, scorer: TrainedScorer, record: TrainingRecord, folder: Path) -> None:
    from safetensors.numpy import save

    (folder / HEAD).write_bytes(save(scorer.head.tensors()))
    (folder / SEEN).write_bytes(save(record.seen.tensors()))
    if parts.calibration is not None:
        _write_json(folder / CALIBRATION, parts.calibration.as_dict(), indent=None)
    if parts.certificate is not None:
        _write_json(folder / CERTIFICATE, parts.certificate.as_dict())
    for form, look in parts.looks.items():
        (folder / LOOK).mkdir(exist_ok=True)
        _write_json(folder / LOOKS[form], look.as_dict(), indent=None)
        if look.certificate is not None:
            _write_json(folder / LOOK_CERTIFICATE, look.certificate.as_dict())
    if not scorer.encoder.shipped:
        copy_encoder(scorer.encoder.path, scorer.encoder.sha256, folder / ENCODER)
    manifest = {
        "format_version": FORMAT_VERSION if parts.looks else WITHOUT_LOOK,
        "id": parts.id,
        "encoder": {"id": scorer.encoder.id, "sha256": scorer.encoder.sha256, "shipped": scorer.encoder.shipped},
        "training": record.as_dict(),
        "files": {
            file.relative_to(folder).as_posix(): {"size": file.stat().st_size, "sha256": sha256_of(file)}
            for file in our_files(folder)
        },
    }
    _write_json(folder / MANIFEST, {**manifest, "seal": seal_of(manifest)})
    (folder / CARD).write_text(model_card(parts), encoding="utf-8")


def _write_json(file: Path, data: dict[str, Any], indent: int | None = 1) -> None:
    file.write_text(json.dumps(data, indent=indent, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
