"""Which files a folder of ours may hold, and the refusal of a place that holds anything else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hybrid_llm.disk.refusal import as_ours
from hybrid_llm.errors import HybridLLMError

_OF_THE_SYSTEM: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What a file manager leaves in every folder that somebody looked at."""
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of folder that the library writes.

    Args:
        what: What to call it.
        mark: The file that makes a folder one of this kind.
        names: The files that it may hold, as paths within it.
        error: What is raised when one cannot be written.
    """

    what: str
    mark: str
    names: frozenset[str]
    error: type[HybridLLMError]

    def refuse(self, path: Path) -> None:
        """Refuse a place where writing would lose what is not ours; nothing there, or an empty folder, will do.

        A folder of ours is replaced as a whole, so that files of the user's own in it would go, or be carried along
        without anybody knowing what they are. He is asked to move them instead.

        Raises:
            HybridLLMError: Something else is there, or nobody may look; the message says what.
        """
        with as_ours(path, self.error):
            self._refuse(path)

    def _refuse(self, path: Path) -> None:
        if path.is_symlink() and not path.exists():
            raise self.error(f"{path} is a link to nothing; remove it, or choose another --out.")
        if not path.exists():
            return
        if not path.is_dir() or (any(path.iterdir()) and not (path / self.mark).is_file()):
            raise self.error(f"{path} exists and is no {self.what}; choose another --out.")
        found = foreign_files(path, self.names)
        if found:
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            raise self.error(
                f"{path} also holds what is not part of a {self.what}: {', '.join(map(repr, found[:_NAMED]))}{more}; "
                "move that elsewhere, or choose another --out."
            )


def foreign_files(folder: Path, names: frozenset[str]) -> list[str]:
    """Return what a folder holds besides the files of these names, as paths within it; links are never followed.

    A link, a pipe or a device is foreign whatever its name, and so is a folder that no name leads into: it is listed
    by its own name, not by all that it holds.
    """
    folders = frozenset(str(parent) for name in names for parent in Path(name).parents)
    return sorted(_foreign(folder, "", names, folders))


def _foreign(folder: Path, within: str, names: frozenset[str], folders: frozenset[str]) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{within}{entry.name}"
            if entry.is_dir(follow_symlinks=False) and name in folders:
                yield from _foreign(Path(entry.path), f"{name}/", names, folders)
            elif not (entry.is_file(follow_symlinks=False) and (name in names or entry.name in _OF_THE_SYSTEM)):
                yield name
