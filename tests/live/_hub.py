"""A model hub on loopback that serves folders: what the hub's own client asks for when it downloads a model."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

MAIN = "main"
OFFER = "refs/pr/7"


@dataclass
class Hub:
    """A hub with one model.

    Args:
        name: The id of the model.
        revisions: Revision -> folder with its files.
        offered_by: Who opened the pull request ``refs/pr/7``; None where there is none.
        breaks: A file whose download breaks off in the middle.
        fetched: The names of files that were downloaded.
        url: Where it listens.
    """

    name: str
    revisions: dict[str, Path]
    offered_by: str | None = None
    breaks: str | None = None
    fetched: list[str] = field(default_factory=list)
    url: str = ""

    def environment(self, home: Path) -> dict[str, str]:
        """Return the variables that make a process use this hub, with a cache of its own."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}

    def sha(self, revision: str) -> str:
        """Return the commit that a revision names."""
        return revision if revision not in self.revisions else hashlib.sha1(revision.encode()).hexdigest()

    def folder(self, commit: str) -> Path:
        """Return the files of a commit."""
        return next(folder for revision, folder in self.revisions.items() if self.sha(revision) == commit)


@contextmanager
def hub_of(name: str, **more: Any) -> Iterator[Hub]:
    """Serve a hub until the block ends."""
    hub = Hub(name, **more)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, api = unquote(urlsplit(self.path).path), f"/api/models/{self.hub.name}"
        if path == f"{api}/discussions":
            self._json({"discussions": self._offers(), "count": len(self._offers()), "start": 0})
        elif path == api or path.startswith(f"{api}/revision/"):
            revision = path.removeprefix(api).removeprefix("/revision/") or MAIN
            names = [{"rfilename": file.name} for file in self._files(self.hub.sha(revision))]
            self._json({"id": self.hub.name, "sha": self.hub.sha(revision), "siblings": names})
        elif path.startswith(f"{api}/tree/"):
            files = self._files(self.hub.sha(path.removeprefix(f"{api}/tree/")))
            self._json([{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": _oid(f)} for f in files])
        elif path.startswith(f"/{self.hub.name}/resolve/"):
            revision, _, name = path.removeprefix(f"/{self.hub.name}/resolve/").rpartition("/")
            self._file(self.hub.sha(revision), name)
        else:
            self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _files(self, commit: str) -> list[Path]:
        return sorted(self.hub.folder(commit).iterdir())

    def _offers(self) -> list[dict[str, Any]]:
        if self.hub.offered_by is None:
            return []
        repo = {"name": self.hub.name, "type": "model"}
        return [
            {
                "num": 7,
                "title": "Adding `safetensors` variant of this model",
                "author": {"name": self.hub.offered_by},
                "createdAt": "2026-01-01T00:00:00.000Z",
                "status": "open",
                "repo": repo,
                "isPullRequest": True,
            }
        ]

    def _file(self, commit: str, name: str) -> None:
        file = self.hub.folder(commit) / name
        if not file.is_file():
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        content = file.read_bytes()
        if self.command == "GET":
            self.hub.fetched.append(name)
        self._answer(200, content, {"ETag": f'"{_oid(file)}"', "X-Repo-Commit": commit}, breaks=name == self.hub.breaks)

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str], *, breaks: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[: len(body) // 2] if breaks else body)
            self.close_connection = breaks


def _oid(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()
