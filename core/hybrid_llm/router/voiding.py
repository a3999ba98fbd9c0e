"""Ending a promise: the reason is written into the certificates of a router folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_llm.router.folder_reading import read_router
from hybrid_llm.router.folder_writing import write_router

if TYPE_CHECKING:
    from hybrid_llm.certify import Menu


def void_certificates(path: Path, reason: str) -> None:
    """Void the certificate of a router folder and that of its second look; one that is void already keeps its reason.

    Programs that have the router loaded learn of it when they load it again.

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


def _void(menu: Menu, reason: str) -> Menu:
    kept = menu.provenance.void_reason or reason
    return replace(menu, provenance=replace(menu.provenance, void_reason=kept))
