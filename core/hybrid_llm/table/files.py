"""A file of rows: opened, unpacked, told what it is, and read row by row in flat memory."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final, TextIO

from hybrid_llm.errors import TableError
from hybrid_llm.table.code_pages import likely_code_page
from hybrid_llm.table.csv_rows import NO_NAMES, csv_rows, delimiter_of, widest_delimiter
from hybrid_llm.table.encodings import HEAD, LONGEST, TOO_LONG, as_text, as_utf8, why_no_text
from hybrid_llm.table.json_values import json_values
from hybrid_llm.table.parquet_rows import parquet_rows

_GZIP: Final = b"\x1f\x8b"
PARQUET: Final = b"PAR1"
_FOREIGN: Final = {
    b"PK\x03\x04": "an Excel workbook or a zip archive; save the sheet as CSV, or unpack the archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as CSV",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it (zstd -d), or use gzip",
    b"\xfd7zXZ\x00": "packed by xz; unpack it (xz -d), or use gzip",
    b"BZh91AY&SY": "packed by bzip2; unpack it (bzip2 -d), or use gzip",
    b"SQLite format 3\x00": "an SQLite database; export the table as CSV",
    b"ARROW1\x00\x00": "an Arrow (Feather) file; write it as Parquet",
    b"version https://git-lfs": "a pointer of Git LFS; fetch the file itself (git lfs pull)",
}
"""How files begin that hold no rows that can be read, and what to do with them."""

_PAGE: Final = re.compile(rb"<!doctype html|<html", re.IGNORECASE)
_ARRAY: Final = re.compile(rb"\[")
_ARRAY_OR_PROMPT: Final = re.compile(rb'\[\s*([{"\]]|$)')  # a prompt may begin with a bracket too
_OBJECT: Final = re.compile(rb"\{")
_OBJECT_OR_PROMPT: Final = re.compile(rb'\{\s*"')


def rows_of_file(
    path: Path, *, texts: bool = False, names: AbstractSet[str] = NO_NAMES
) -> Iterator[tuple[str, object]]:
    """Yield the rows of a file, unchecked; its content says which format it has.

    Args:
        path: The file.
        texts: As in :func:`rows_of`.
        names: As in :func:`rows_of`.

    Raises:
        TableError: The file is missing, a folder, empty, damaged, of a format that is not read, or may not be read.
        MissingExtraError: The file is Parquet and pyarrow is not installed.
    """
    try:
        file: io.BufferedReader[Any] = io.BufferedReader(path.open("rb", buffering=0), HEAD)
        # A pipe gives what it has; read through a second buffer, its start is as long as that of a file.
        with file if file.seekable() else io.BufferedReader(file, HEAD) as steady:
            yield from rows_of(str(path), steady, texts=texts, names=names)
    except FileNotFoundError:
        raise TableError(f"{path} does not exist; give a .jsonl, .json, .csv or .parquet file") from None
    except IsADirectoryError:
        raise TableError(f"{path} is a folder; name the files in it, for example {path}/*.jsonl") from None
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}") from error


def rows_of(
    source: str, file: io.BufferedReader[Any], *, texts: bool = False, names: AbstractSet[str] = NO_NAMES
) -> Iterator[tuple[str, object]]:
    """Yield the rows of an open file, unchecked.

    Args:
        source: What messages call the file.
        file: The file, at its start.
        texts: Prompts are wanted: no column holds scores, and a line may also be a prompt and nothing else; what has
            no other format is read so.
        names: What the column of the prompts may be called besides ``query``, in lower case.

    Raises:
        TableError: As in :func:`rows_of_file`.
        MissingExtraError: As in :func:`rows_of_file`.
    """
    empty = True
    try:
        for place, raw in _unpacked(source, file, texts=texts, names=names):
            empty = False
            yield place, raw
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise TableError(f"{source} is damaged or cut short ({error}); copy or download it again") from error
    if empty and not texts:
        raise TableError(f"{source} is empty; each row needs query and quality, one row a line")


def _unpacked(
    source: str, file: io.BufferedReader[Any], *, texts: bool, names: AbstractSet[str]
) -> Iterator[tuple[str, object]]:
    packed = file.peek(len(_GZIP)).startswith(_GZIP)
    content: io.BufferedReader[Any] = io.BufferedReader(gzip.GzipFile(fileobj=file), HEAD) if packed else file
    start = content.peek(HEAD)
    if start.startswith(PARQUET) and file.seekable() and not packed:
        yield from parquet_rows(source, content, scored=not texts)
    elif start.startswith(PARQUET):
        import shutil
        import tempfile  # both are slow to import and seldom needed

        with tempfile.TemporaryFile() as copy:  # Parquet is read from its end
            shutil.copyfileobj(content, copy)
            yield from parquet_rows(source, copy, scored=not texts)
    else:
        foreign = next((what for magic, what in _FOREIGN.items() if start.startswith(magic)), None)
        if foreign:
            raise TableError(f"{source} is {foreign}")
        yield from _rows_of_text(source, as_utf8(content), texts=texts, names=names)


def _rows_of_text(
    source: str, file: io.BufferedReader[Any], *, texts: bool, names: AbstractSet[str]
) -> Iterator[tuple[str, object]]:
    """Tell the formats apart by how the text begins, and by its first line."""
    head = file.peek(HEAD).lstrip()
    first = head.splitlines()[0].rstrip() if head else b""
    header = first.decode("utf-8", "replace")
    is_array = (_ARRAY_OR_PROMPT if texts else _ARRAY).match(head)
    is_object = (_OBJECT_OR_PROMPT if texts else _OBJECT).match(head)
    one_a_line = first != b"{" and (b"\n" in head or b"\r" not in head.rstrip())  # old Macs ended lines with \r
    delimiter = None if is_array or is_object else delimiter_of(header, strict=texts, names=names)
    if delimiter is None and Path(source.removesuffix(".gz")).suffix in (".csv", ".tsv"):
        delimiter = widest_delimiter(header)
    if _PAGE.match(head) and not texts:
        raise TableError(f"{source} is a web page; download the file itself")
    if (is_object and one_a_line) or not (is_array or is_object or delimiter or texts):
        yield from _lines(source, file)
        return
    with as_text(file) as text:
        if is_array or is_object:
            yield from json_values(source, text)
        elif delimiter:
            yield from csv_rows(source, _bounded(source, text), delimiter, scored=not texts)
        else:
            yield from _prompts(source, text)


def _lines(source: str, file: io.BufferedReader[Any]) -> Iterator[tuple[str, object]]:
    """Yield the lines that are not blank."""
    for number, line in enumerate(iter(lambda: file.readline(LONGEST + 1), b""), start=1):
        place = f"{source} line {number}"
        if len(line) > LONGEST:
            while line and not line.endswith(b"\n"):
                line = file.readline(HEAD)
            yield place, TableError(f"{place}: {TOO_LONG}")
        elif not line.isspace():
            yield place, line


def _bounded(source: str, file: TextIO) -> Iterator[str]:
    """Yield the lines of a text, and stop before one that would fill the memory."""
    for number, line in enumerate(iter(lambda: file.readline(LONGEST + 1), ""), start=1):
        if len(line) > LONGEST:
            raise TableError(f"{source} line {number}: {TOO_LONG}")
        yield line


def _prompts(source: str, file: TextIO) -> Iterator[tuple[str, object]]:
    """Yield each line that is not blank as a prompt; bytes that make no sense in it are replaced."""
    for number, line in enumerate(_bounded(source, file), start=1):
        if line.isspace():
            continue
        place = f"{source} line {number}"
        if wrong := why_no_text(line):
            spelled = line.encode("utf-8", "surrogateescape")
            if likely_code_page(spelled):
                yield place, TableError(f"{place}: {wrong}")
                continue
            line = spelled.decode("utf-8", "replace")
        yield place, {"query": line.rstrip("\r\n")}
