"""What a folder of scores belongs to: one router, one table, one way of scoring it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from hybrid_llm.errors import TableError

FORMAT: Final = 1


@dataclass(frozen=True)
class Contents:
    """What a folder of scores belongs to.

    Args:
        router_id: Of what scores.
        table: The name of the table's file, for people.
        bytes: The size of the file.
        sha256: The hash of the file.
        map: Which of its fields is which, as the user said.
        part_rows: Rows of a part.
        level: What the column ``route`` was decided at, in words; ``None`` where there is none.
        threshold: What the level came to.
    """

    router_id: str
    table: str
    bytes: int
    sha256: str
    map: dict[str, str]
    part_rows: int
    level: str | None = None
    threshold: float | None = None

    @classmethod
    def of(cls, path: Path, **others: Any) -> Contents:
        """Return those of a table: its file is read once, to know it again.

        Raises:
            TableError: The file cannot be read.
        """
        try:
            if not path.is_file():
                said = "is a folder; score the files in it one by one" if path.is_dir() else "is no file"
                raise TableError(f"{path} {said if path.exists() else 'does not exist'}")
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(table=path.name, bytes=path.stat().st_size, sha256=digest, **others)
        except OSError as error:
            raise TableError(f"{path} cannot be read: {error.strerror or error}") from error

    def as_json(self) -> str:
        """Return it as the text of a file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def read(cls, file: Path) -> Contents:
        """Read what :meth:`as_json` gave.

        Raises:
            TableError: The file holds something else.
        """
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            if found.pop("format") != FORMAT:
                raise TableError(f"{file} was written by another version of the library; choose another --out.")
            if not isinstance(found["map"], dict) or (found["level"] is None) != (found["threshold"] is None):
                raise TypeError("a field is not as it was written")
            return cls(**found)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            if isinstance(error, TableError):
                raise
            raise TableError(f"{file} is damaged; remove the folder, or choose another --out.") from error

    def refuse(self, folder: Path, wanted: Contents) -> None:
        """Refuse a folder with these contents for others.

        Raises:
            TableError: They differ; the message says in what, and what to do.
        """
        begin = "choose another --out, or remove the folder to begin anew."
        if self.router_id != wanted.router_id:
            raise TableError(
                f"{folder} holds scores of the router {self.router_id}, this one is {wanted.router_id}; {begin}"
            )
        if (self.bytes, self.sha256) != (wanted.bytes, wanted.sha256):
            what = f"of {self.table} before it changed" if self.table == wanted.table else f"of {self.table}"
            raise TableError(f"{folder} holds scores {what}, not of {wanted.table} as it is now; {begin}")
        if self.map != wanted.map:
            said = ",".join(f"{name}={path}" for name, path in self.map.items())
            how = f"with --map {said}" if said else "without --map"
            raise TableError(f"{folder} holds scores that were begun {how}; go on so, or choose another --out.")
        if self.part_rows != wanted.part_rows:
            raise TableError(
                f"{folder} holds parts of {self.part_rows} rows; go on with --part-rows {self.part_rows}, "
                "or choose another --out."
            )
        if (self.level, self.threshold) != (wanted.level, wanted.threshold):
            raise TableError(f"{folder} holds {_routes(self)}, not {_routes(wanted)}; {begin}")


def _routes(contents: Contents) -> str:
    if contents.level is None:
        return "scores without routes"
    if contents.level == f"threshold {contents.threshold:g}":
        return f"routes at {contents.level}"
    return f"routes at {contents.level} (threshold {contents.threshold:g})"
