"""The folder of scores: a Parquet file for each part, each written whole or not at all.

::

    part-000000.parquet   row, id, score, familiarity, truncated (and route), in the order of the table
    part-000001.parquet   the next rows
    _scores.json          what all this belongs to; readers of Parquet folders pass over a name with _
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hybrid_llm.bulk.contents import Contents
from hybrid_llm.disk import as_ours, remove_parts, whole_file
from hybrid_llm.errors import MissingExtraError, TableError

MANIFEST: Final = "_scores.json"
_PART: Final = re.compile(r"part-(\d{6,})\.parquet")
_BEGUN: Final = re.compile(rf"\.{re.escape(MANIFEST)}\.")
"""What a kill leaves that comes before the manifest is whole."""


@dataclass(frozen=True)
class ScoresFolder:
    """A folder of scores.

    Args:
        path: The folder, absolute: other processes and machines write there too.
    """

    path: Path

    def begin(self, contents: Contents) -> None:
        """Begin a folder, or go on in one that was begun for the same; who calls has claimed it.

        Raises:
            TableError: It holds something else, or nothing can be written there.
        """
        with as_ours(self.path, TableError):
            manifest = self.path / MANIFEST
            names = [file.name for file in self.path.iterdir()] if self.path.is_dir() else []
            if manifest.is_file():
                begun = Contents.read(manifest)
                if any(map(_PART.fullmatch, names)):  # else nothing is lost with what it was begun for
                    begun.refuse(self.path, contents)
            elif (self.path.exists() and not self.path.is_dir()) or not all(map(_BEGUN.match, names)):
                raise TableError(f"{self.path} exists and holds no scores of ours; choose another --out.")
            self.path.mkdir(parents=True, exist_ok=True)
            remove_parts(self.path)
            with whole_file(manifest) as file:
                file.write_text(contents.as_json(), encoding="utf-8")

    def part(self, number: int) -> Path:
        """Return the file of a part."""
        return self.path / f"part-{number:06d}.parquet"

    def parts(self) -> dict[int, int]:
        """Return {number: rows} of the parts that are there, without those that somebody has damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        found = {}
        for file in sorted(self.path.iterdir()):
            if named := _PART.fullmatch(file.name):
                with suppress(OSError, pa.ArrowException):
                    metadata = pq.read_metadata(file)
                    if {"row", "score"} <= set(metadata.schema.names):
                        found[int(named[1])] = int(metadata.num_rows)
        return found

    def write(self, number: int, columns: Mapping[str, list[Any]]) -> None:
        """Write a part.

        Args:
            number: Which one.
            columns: Lists of one length; ``row`` and ``score`` among them.

        Raises:
            TableError: The disk refuses.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {"row": pa.int64(), "score": pa.float64(), "familiarity": pa.float64(), "truncated": pa.bool_()}
        schema = pa.schema([(name, kinds.get(name, pa.string())) for name in columns])
        with as_ours(self.path, TableError), whole_file(self.part(number)) as file:
            pq.write_table(pa.table(dict(columns), schema=schema), file)


def check_writing(out: Path) -> None:
    """Check that Parquet can be written, before anything is scored.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingExtraError.of(f"Writing {out}", "parquet") from None
