"""A child program: write a folder on a disk of 100 kB, then on one that became read-only, and say what came of it.

It runs in a space of mounts of its own (``unshare``), so that nothing is left mounted. Argument: an empty folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from hybrid_llm.disk import Kind, whole_folder
from hybrid_llm.errors import RouterFolderError

KIND = Kind("router folder", "mark", frozenset({"mark"}), RouterFolderError)


def write(place: Path, size: int) -> str:
    try:
        with whole_folder(place, KIND) as fresh:
            (fresh / "mark").write_bytes(bytes(size))
    except RouterFolderError as error:
        return str(error)
    return "written"


def main() -> None:
    folder = Path(sys.argv[1])
    place = folder / "router"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", folder], check=True)
    said = [write(place, 20_000), write(place, 90_000)]
    stayed = [(place / "mark").stat().st_size, len(list(folder.iterdir()))]
    said += [write(place, 30_000), write(folder, 10)]
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    said.append(write(place, 10))
    stayed += [(place / "mark").stat().st_size, len(list(folder.iterdir()))]
    sys.stdout.write(json.dumps({"said": said, "stayed": stayed}))


main()
