"""Ending a promise: the reason is written into the certificates of a router folder, and read there by who loaded it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_llm.errors import RouterFolderError
from hybrid_llm.router.folder_reading import read_menus, read_router
from hybrid_llm.router.folder_writing import write_router
from hybrid_llm.router.parts import RouterParts, why_all_void

if TYPE_CHECKING:
    from hybrid_llm.certify import Menu


def void_certificates(path: Path, reason: str) -> None:
    """Void the certificate of a router folder and that of its second look; one that is void already keeps its reason.

    Programs that have the router loaded from there learn of it by :func:`voided_since`, which a pair asks once a
    minute.

    Args:
        path: The router folder.
        reason: Why they promise nothing any more, a sentence.

    Raises:
        RouterFolderError: The folder cannot be read or written.
    """
    parts = read_router(path)
    proved = parts.certificate and _void(parts.certificate, reason)
    looks = {
        form: look.with_parts(certificate=_void(look.certificate, reason)) if look.certificate else look
        for form, look in parts.looks.items()
    }
    write_router(replace(parts, certificate=proved, looks=looks), path)


def voided_since(parts: RouterParts) -> str:
    """Return why the certificates of a router folder were voided after it was loaded.

    Empty where they stand, where another router lies there by now, and where the folder cannot be read: what was
    loaded is as good as before.

    Args:
        parts: What was loaded.
    """
    if parts.path is None:
        return ""
    try:
        menus = read_menus(parts.path, of=parts.id, unlike=parts.seal)
    except RouterFolderError:
        return ""
    return why_all_void(menus)


def _void(menu: Menu, reason: str) -> Menu:
    kept = menu.provenance.void_reason or reason
    return replace(menu, provenance=replace(menu.provenance, void_reason=kept))
