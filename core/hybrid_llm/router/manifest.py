"""router.json: what it must say, of which files, and that it says what was written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hybrid_llm.errors import DamagedFolderError, NewerFormatError, RouterFolderError
from hybrid_llm.router.folder import (
    CALIBRATION,
    CERTIFICATE,
    ENCODER,
    ENCODER_FILES,
    ENCODER_NEEDS,
    FORMAT_VERSION,
    HEAD,
    LIMITS,
    LOOK_CERTIFICATE,
    LOOKS,
    MANIFEST,
    SEEN,
    seal_of,
)
from hybrid_llm.untrusted import BadFileError, escaped, parse_json, printable, read_regular

_SEALED: Final = 3
"""The first format with a seal and with sizes."""
_KNOWN: Final = (HEAD, SEEN, CALIBRATION, CERTIFICATE, *LOOKS.values(), LOOK_CERTIFICATE, *ENCODER_FILES)
_HASH: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Listed:
    """What router.json says of a file.

    Args:
        sha256: Its hash.
        size: Its bytes; ``None`` in the formats of before, which did not say.
    """

    sha256: str
    size: int | None


@dataclass(frozen=True, slots=True)
class EncoderWanted:
    """The encoder that a router was trained on.

    Args:
        id: Its name.
        sha256: Hash of all that an embedding depends on.
        shipped: Whether it comes with the library, and is not in the folder.
    """

    id: str
    sha256: str
    shipped: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """What router.json says.

    Args:
        file: Where it lies.
        id: Content hash of all that the scores depend on.
        encoder: The encoder.
        training: The training record, as JSON values.
        files: The files of the folder, by their names in it.
        seal: The hash of all of this; empty in the formats of before.
    """

    file: Path
    id: str
    encoder: EncoderWanted
    training: Mapping[str, Any]
    files: Mapping[str, Listed]
    seal: str


def read_manifest(folder: Path, *, shipped: bool = False) -> Manifest:
    """Read router.json.

    Args:
        folder: Where it lies.
        shipped: Whether that is where the shipped router should be.

    Raises:
        RouterFolderError: There is none.
        DamagedFolderError: It does not say what it must, or not what was written.
        NewerFormatError: It was written by a later version of the library.
    """
    file = folder / MANIFEST
    try:
        data = parse_json(read_regular(file, LIMITS[MANIFEST]))
        version = data["format_version"]
        if type(version) is not int:
            raise BadFileError("has no number as its format_version")
        if version > FORMAT_VERSION:
            raise NewerFormatError(
                f"{folder} has format {printable(version, 20)}; this version of the library reads up to "
                f"{FORMAT_VERSION}: pip install -U hybrid-llm"
            )
        return _checked(file, data, sealed=version >= _SEALED)
    except (FileNotFoundError, NotADirectoryError):
        raise _no_router(folder, shipped) from None
    except BadFileError as error:
        raise DamagedFolderError(f"{file} {error}; restore it or train again.") from error
    except (ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError) as error:
        raise DamagedFolderError(
            f"{file} cannot be read ({printable(repr(error))}); restore it or train again."
        ) from error


def _no_router(folder: Path, shipped: bool) -> RouterFolderError:
    if shipped:
        return RouterFolderError("The shipped router is missing: pip install --force-reinstall hybrid-llm")
    if folder.is_file():
        return RouterFolderError(f"{folder} is a file; a router is a folder, made with: hybrid-llm train ... --out DIR")
    what = f"is no router folder (it has no {MANIFEST})" if folder.is_dir() else "does not exist"
    return RouterFolderError(f"{folder} {what}; make one with: hybrid-llm train ... --out {folder}")


def _checked(file: Path, data: dict[str, Any], *, sealed: bool) -> Manifest:
    """Return what router.json says, after a look at whether it can be so."""
    if missing := sorted({"id", "encoder", "training", "files"} - data.keys()):
        raise BadFileError(f"lacks {', '.join(missing)}")
    seal = data.get("seal", "")
    if sealed and seal != seal_of(data):
        raise BadFileError("was changed after it was written")
    data = escaped(data, lines=("about",))
    if not (isinstance(data["id"], str) and isinstance(data["training"], dict)):
        raise BadFileError("says what no router does")
    files = dict(_listed(name, entry, sealed) for name, entry in data["files"].items() if not _of_before(name, sealed))
    encoder = EncoderWanted(**{key: data["encoder"][key] for key in ("id", "sha256", "shipped")})
    if [type(value) for value in (encoder.id, encoder.sha256, encoder.shipped)] != [str, str, bool]:
        raise BadFileError("says what no router does of its encoder")
    needed = {HEAD, SEEN} if encoder.shipped else {HEAD, SEEN, *ENCODER_NEEDS}
    if missing := sorted(needed - files.keys()):
        raise BadFileError(f"does not list {', '.join(missing)}")
    return Manifest(file, data["id"], encoder, data["training"], files, seal if sealed else "")


def _of_before(name: str, sealed: bool) -> bool:
    """Return whether a format of before copied and listed this along with an encoder; nothing opens it."""
    return not sealed and name.startswith(f"{ENCODER}/") and name not in ENCODER_FILES


def _listed(name: str, entry: Any, sealed: bool) -> tuple[str, Listed]:
    """Return what is said of a file."""
    if name not in _KNOWN:
        raise BadFileError(f"lists {printable(name, 80)}, which is no file of a router folder")
    listed = Listed(entry["sha256"], entry["size"]) if sealed else Listed(entry, None)
    kinds = [str, int if sealed else type(None)]
    if [type(listed.sha256), type(listed.size)] != kinds or not _HASH.fullmatch(listed.sha256):
        raise BadFileError(f"does not say what {name} is")
    return name, listed
