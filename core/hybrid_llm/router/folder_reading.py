"""The reading of a router folder that a stranger may have made.

Each file is read once: a regular file of ours, no larger than it may be and than router.json says, with the hash that
router.json says; then it is parsed, from the bytes that were hashed. Whatever is wrong is a ``RouterFolderError`` that
names the file, and is found here, not at the first query.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from hybrid_llm.disk import steadily
from hybrid_llm.errors import DamagedFolderError, EncoderError, RouterFolderError
from hybrid_llm.router.folder import (
    CALIBRATION,
    CERTIFICATE,
    ENCODER,
    HEAD,
    LIMITS,
    LOOK,
    LOOK_CERTIFICATE,
    LOOKS,
    SEEN,
)
from hybrid_llm.router.manifest import Manifest, read_manifest
from hybrid_llm.router.parts import RouterParts
from hybrid_llm.router.record import SeenRows, TrainingRecord
from hybrid_llm.scoring import TrainedScorer
from hybrid_llm.untrusted import BadFileError, escaped, parse_json, printable, read_regular, read_tensors, steers

if TYPE_CHECKING:
    from hybrid_llm.calibration import Calibration
    from hybrid_llm.certify import Menu
    from hybrid_llm.look import SecondLook

T = TypeVar("T")

SHIPPED_ROUTER: Final = Path(__file__).parents[1] / "pretrained" / "router"
_READ_HERE: Final = (
    *(HEAD, SEEN, CALIBRATION, CERTIFICATE, *LOOKS.values(), LOOK_CERTIFICATE),
    *(f"{ENCODER}/encoder.json", f"{ENCODER}/NOTICE"),
)
"""Files whose hash is compared here; the encoder compares those of its graph and its tokenizer."""


def read_router(path: str | Path | None) -> RouterParts:
    """Read a router folder; ``None`` is the shipped one.

    Raises:
        RouterFolderError: There is no router folder at the path, or it was trained on another encoder.
        DamagedFolderError: A file is missing, unreadable, not as it should be, or not the one that was written.
        NewerFormatError: The folder was written by a later version of the library.
    """
    folder = SHIPPED_ROUTER if path is None else Path(path)
    return steadily(folder, lambda: _read(folder))


def read_menus(folder: Path, *, of: str, unlike: str) -> list[Menu]:
    """Read the certificates of a folder alone: that of queries and that of the second look.

    Args:
        folder: The router folder.
        of: The id of a router; a folder that holds another one gives nothing.
        unlike: A seal; a folder that still has it gives nothing.

    Raises:
        RouterFolderError: As :func:`read_router`.
    """
    return steadily(folder, lambda: _read_menus(folder, of, unlike))


def _read_menus(folder: Path, of: str, unlike: str) -> list[Menu]:
    manifest = read_manifest(folder, shipped=folder == SHIPPED_ROUTER)
    if manifest.id != of or manifest.seal == unlike:
        return []
    proofs = (CERTIFICATE, LOOK_CERTIFICATE)
    content = _read_files(folder, manifest, only=proofs)
    menus = (_guarded(folder / name, partial(_certificate, content.get(name))) for name in proofs)
    return [menu for menu in menus if menu is not None]


def _read(folder: Path) -> RouterParts:
    manifest = read_manifest(folder, shipped=folder == SHIPPED_ROUTER)
    content = _read_files(folder, manifest)
    scorer = _guarded(folder / HEAD, lambda: _scorer(folder, manifest, content[HEAD]))
    if scorer.id != manifest.id:
        raise DamagedFolderError(f"{folder}: the weights do not belong to router.json (id {manifest.id}).")
    seen = _guarded(folder / SEEN, lambda: SeenRows.from_tensors(read_tensors(content[SEEN], SeenRows.NAMES)))
    parts = RouterParts(
        scorer=scorer,
        calibration=_guarded(folder / CALIBRATION, lambda: _calibration(content.get(CALIBRATION))),
        certificate=_guarded(folder / CERTIFICATE, lambda: _certificate(content.get(CERTIFICATE))),
        record=_guarded(manifest.file, lambda: TrainingRecord.from_dict(manifest.training, seen)),
        path=folder,
        seal=manifest.seal,
        looks=_looks(folder, content),
    )
    _refuse_misfits(folder, parts)
    return parts


def _read_files(folder: Path, manifest: Manifest, only: Sequence[str] = _READ_HERE) -> dict[str, bytes]:
    """Return the content of those of our files that are asked for, each as router.json lists it."""
    content = {}
    for name in LIMITS:
        file = folder / name
        if name not in manifest.files and name != manifest.file.name and _is_there(file):
            raise DamagedFolderError(f"{folder}: {name} does not belong to this router; remove it.")
    for inner in (ENCODER, LOOK):
        if (folder / inner).is_symlink():
            raise DamagedFolderError(f"{folder / inner} is a link, and links are not followed; put the folder there.")
    for name, listed in manifest.files.items():
        file = folder / name
        try:
            size = file.lstat().st_size
            if listed.size is not None and size != listed.size:
                raise BadFileError("was changed after it was written")
            if name in only:
                content[name] = read_regular(file, LIMITS[name])
                if hashlib.sha256(content[name]).hexdigest() != listed.sha256:
                    raise BadFileError("was changed after it was written")
        except FileNotFoundError:
            raise DamagedFolderError(f"{folder}: {name} is missing; restore it or train again.") from None
        except BadFileError as error:
            raise DamagedFolderError(f"{folder}: {name} {error}; restore it or train again.") from None
        except OSError as error:
            raise DamagedFolderError(f"{file} cannot be read: {error.strerror or error}.") from error
    return content


def _is_there(file: Path) -> bool:
    try:
        file.lstat()
    except OSError:
        return False
    return True


def _scorer(folder: Path, manifest: Manifest, weights: bytes) -> TrainedScorer:
    from hybrid_llm.scoring import EmbeddingScorer, Encoder, Head, LogitHead, NetworkScorer

    wanted = manifest.encoder
    encoder: Encoder = Encoder.load(None if wanted.shipped else folder / ENCODER)
    if encoder.sha256 != wanted.sha256:
        raise RouterFolderError(
            f"{folder} was trained on the encoder {wanted.id}, and this installation ships {encoder.id}: "
            "install the version of hybrid-llm that trained it, or train again."
        )
    if not wanted.shipped:
        for name, sha256 in encoder.info.files.items():
            listed = manifest.files.get(f"{ENCODER}/{name}")
            if listed is None or listed.sha256 != sha256:
                raise DamagedFolderError(f"{folder / ENCODER / name} is not the file that router.json lists.")
    with np.errstate(all="ignore"):  # numbers that overflow are found by the head itself
        if manifest.training.get("recipe") == "full":
            return NetworkScorer(encoder, LogitHead.from_tensors(read_tensors(weights, LogitHead.NAMES)))
        return EmbeddingScorer(encoder, Head.from_tensors(read_tensors(weights, Head.NAMES)))


def _calibration(content: bytes | None) -> Calibration | None:
    from hybrid_llm.calibration import Calibration

    return None if content is None else Calibration.from_dict(_json(content))


def _certificate(content: bytes | None) -> Menu | None:
    from hybrid_llm.certify import Menu

    return None if content is None else Menu.from_dict(_json(content))


def _looks(folder: Path, content: Mapping[str, bytes]) -> dict[str, SecondLook]:
    """Return the second looks, by their form."""
    looks = {}
    for form, name in LOOKS.items():
        if (given := content.get(name)) is not None:
            looks[form] = _guarded(folder / name, partial(_look, given))
            if looks[form].form != form:
                raise DamagedFolderError(f"{folder / name} holds a second look of another form; train it again.")
    proved = _guarded(folder / LOOK_CERTIFICATE, lambda: _certificate(content.get(LOOK_CERTIFICATE)))
    if proved is None:
        return looks
    if "trained" not in looks or proved.provenance.look_id != looks["trained"].id:
        raise DamagedFolderError(f"{folder / LOOK_CERTIFICATE} is not of the second look beside it; certify again.")
    return {**looks, "trained": looks["trained"].with_parts(certificate=proved)}


def _look(content: bytes) -> SecondLook:
    from hybrid_llm.look import SecondLook

    return SecondLook.from_dict(_json(content))


def _json(content: bytes) -> Any:
    data = parse_json(content)
    return escaped(data) if steers(content) else data


def _refuse_misfits(folder: Path, parts: RouterParts) -> None:
    """Refuse thresholds that are not of this router: they would be found wanting at the first query, or never."""
    measured, proved = parts.calibration, parts.certificate
    if measured is not None and measured.features != parts.features:
        raise DamagedFolderError(
            f"{folder / CALIBRATION} was measured on scores of text features of version {measured.features}, and this "
            f"router reads version {parts.features}; remove it, and measure again: hybrid-llm calibrate"
        )
    for form, look in parts.looks.items():
        if look.bound.router_id not in ("", parts.id):
            raise DamagedFolderError(
                f"{folder / LOOKS[form]} belongs to the router {look.bound.router_id}, not to this one; train it again."
            )
    if proved is None:
        return
    origin = proved.provenance
    if origin.router_id not in ("", parts.id):
        raise DamagedFolderError(f"{folder / CERTIFICATE} belongs to the router {origin.router_id}, not to this one.")
    if measured is not None and (measured.small, measured.large) != (origin.small, origin.large):
        raise DamagedFolderError(
            f"{folder / CERTIFICATE} is of the pair {origin.small} -> {origin.large}, and {CALIBRATION} beside it of "
            f"{measured.small} -> {measured.large}."
        )


def _guarded(file: Path, read: Callable[[], T]) -> T:
    """Read a part of the folder; whatever its bytes make a parser raise becomes one error of ours."""
    from safetensors import SafetensorError

    try:
        return read()
    except (EncoderError, RouterFolderError) as error:
        raise _named(file, error) from error
    except BadFileError as error:
        raise DamagedFolderError(f"{file} {error}; restore it or train again.") from error
    except (
        SafetensorError,
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        OSError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise DamagedFolderError(f"{file} is damaged ({printable(repr(error))}); restore it or train again.") from error


def _named(file: Path, error: Exception) -> Exception:
    """Return an error of ours that names a file: this one, where it names none in the folder."""
    if str(file.parent) in str(error):
        return error
    kind = type(error) if isinstance(error, RouterFolderError) else DamagedFolderError
    return kind(f"{file}: {error}")
