"""Servers of a test's own, to kill, hang and bring back.

The script that starts them is named by ``HYBRID_LIVE_SERVERS``; what it set up before (programs and models) is
shared, while ports, pid files and the Ollama's own folder are the test's.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from hybrid_llm.dispatch import Breaker, PairState

SHARED = ("ollama", "llama", "models", "venv")


@dataclass
class ChaosServers:
    """A small server (Ollama) and a large one (OpenAI-compatible) that a test may break.

    Args:
        script: Starts and stops them.
        folder: Holds their pid files.
        ollama_port: Of the small server.
        openai_port: Of the large server.
    """

    script: Path
    folder: Path
    ollama_port: int
    openai_port: int
    _again: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def ollama(self) -> str:
        """Base URL of the small server."""
        return f"http://127.0.0.1:{self.ollama_port}"

    @property
    def openai(self) -> str:
        """Base URL of the large server."""
        return f"http://127.0.0.1:{self.openai_port}/v1"

    def start(self) -> None:
        """Start both, with their models."""
        self._run("start")

    def stop(self) -> None:
        """Stop both."""
        self.thaw_small()
        self._run("stop")
        self._collect()

    def kill_small(self) -> None:
        """Kill the small server and whatever it started, at once."""
        self._signal(signal.SIGKILL)
        while _listens(self.ollama_port):
            time.sleep(0.01)
        self._collect()

    def hang_small(self) -> None:
        """Make the small server hang: it takes connections and does not answer."""
        self._signal(signal.SIGSTOP)

    def thaw_small(self) -> None:
        """Let a hanging small server go on."""
        self._signal(signal.SIGCONT)

    def bring_small_back(self) -> None:
        """Start the small server again after it was killed."""
        environment = {
            "HOME": str(self.folder / "home"),
            "LD_LIBRARY_PATH": str(self.folder / "ollama"),
            "OLLAMA_HOST": f"127.0.0.1:{self.ollama_port}",
            "OLLAMA_MODELS": str(self.folder / "home" / "models"),
            "OLLAMA_NUM_PARALLEL": "1",
        }
        with (self.folder / "ollama.log").open("ab") as log:
            server = subprocess.Popen(
                [str(self.folder / "ollama" / "ollama"), "serve"],
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._again.append(server)
        (self.folder / "ollama.pid").write_text(f"{server.pid}\n")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{self.ollama}/api/version", timeout=1, trust_env=False)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("The small server did not come back.")

    def _collect(self) -> None:
        while self._again:
            self._again.pop().wait(timeout=10)

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the small server and its children: they have a session of their own."""
        pid = int((self.folder / "ollama.pid").read_text())
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return

    def _run(self, verb: str) -> None:
        environment = {
            "D": str(self.folder),
            "OPORT": str(self.ollama_port),
            "LPORT": str(self.openai_port),
        }
        subprocess.run(
            ["bash", str(self.script), verb],
            env={**os.environ, **environment},
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )


@contextmanager
def chaos_servers(folder: Path) -> Iterator[ChaosServers]:
    """Start servers of a test's own in a folder, and stop them at the end."""
    home = servers_home()
    for name in SHARED:
        (folder / name).symlink_to(home / name)
    shutil.copytree(home / "home", folder / "home")
    servers = ChaosServers(Path(os.environ["HYBRID_LIVE_SERVERS"]), folder, free_port(), free_port())
    servers.start()
    try:
        yield servers
    finally:
        servers.stop()


def servers_home() -> Path:
    """Return the folder of the live servers, programs and models; skip the test where there is none to start from."""
    if not os.environ.get("HYBRID_LIVE_SERVERS"):
        pytest.skip("servers of a test's own need a script: set HYBRID_LIVE_SERVERS to what starts them (.ci/run does)")
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hybrid-llm-servers"
    return Path(os.environ.get("D") or default)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def threads_left() -> int:
    """Return how many threads of the library run on for a while after the last call."""
    deadline = time.monotonic() + 8
    while (n := sum(thread.name.startswith("hybrid-llm-") for thread in threading.enumerate())) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.1)
    return n


def quick_state() -> PairState:
    """Return what a pair knows of its arms, in which small is tried again at once after an outage."""
    return PairState({"small": Breaker(cooldown=0.05), "large": Breaker()})
