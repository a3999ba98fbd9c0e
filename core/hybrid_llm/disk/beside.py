"""What lies beside a folder while it is written, and what is made of it after an interruption.

A folder ``router`` is written in ``.router.hybrid-llm-new`` and switched in when it is whole. Where the system can
exchange two folders at once, that is all. Elsewhere the old folder is called ``.router.hybrid-llm-old`` for the moment
between two renames; found without its folder, it is put back. What is called ``new`` is never needed: before the
switch it is not whole, afterwards it is the old one.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from hybrid_llm.disk.exchange import exchange


@dataclass(frozen=True, slots=True)
class Beside:
    """The places beside a folder.

    Args:
        place: The folder, its path free of links.
    """

    place: Path

    @property
    def lock(self) -> Path:
        """The file that says who is writing."""
        return self._named("lock")

    @property
    def new(self) -> Path:
        """The folder that is being written; after the switch the one that is being removed."""
        return self._named("new")

    @property
    def old(self) -> Path:
        """The old folder between two renames, always whole."""
        return self._named("old")

    def switch(self) -> None:
        """Put the new folder, which is whole, in its place; an old one becomes ``new``."""
        if not self.place.exists():
            self.new.rename(self.place)
        elif not exchange(self.new, self.place):
            self.place.rename(self.old)
            self.new.rename(self.place)
            self.old.rename(self.new)
        flush(self.place.parent)

    def tidy(self) -> None:
        """Put back what an interruption left without its folder, and remove the rest; only who holds the lock may."""
        if os.path.lexists(self.old) and not os.path.lexists(self.place):
            self.old.rename(self.place)
        _remove(self.new)
        if os.path.lexists(self.old):
            self.old.rename(self.new)  # what is called old is whole: it is not removed under that name
            _remove(self.new)

    def _named(self, what: str) -> Path:
        return self.place.with_name(f".{self.place.name}.hybrid-llm-{what}")


def flush(entry: Path) -> None:
    """Have a file, or the names in a folder, on the disk; Windows keeps the names of folders by itself."""
    if os.name == "nt" and entry.is_dir():
        return
    handle = os.open(entry, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)
