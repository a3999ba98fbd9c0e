"""Score tables on a Ray of this program's own; writes what came out to found.json. Run: ``_ray_run.py FOLDER``.

First a worker is killed in the middle of a part. Then a process of its own joins the cluster by its address, and goes
on with what was begun without Ray.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from hybrid_llm import Router
from hybrid_llm.bulk import score_table
from tests.bulk.scored_tables import write_parquet

QUERIES = [f"What is {i} times {i + 3}, and why is it so?" for i in range(60)]


@dataclass(frozen=True)
class Deadly:
    """Decides nothing, and kills the first process in which it meets one of the rows."""

    mark: Path
    level: str = "threshold 0"
    threshold: float = 0.0

    def __call__(self, queries: Sequence[str], scored: Any) -> list[str]:
        if QUERIES[33] in queries and not self.mark.exists():
            self.mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return ["small"] * len(queries)


def main(folder: Path) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    context = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    table = write_parquet(folder / "rows.parquet", QUERIES, group=25)
    killed = score_table(
        Router.load().scorer, table, folder / "killed", routing=Deadly(folder / "mark"), engine="ray", part_rows=5
    )
    Router.load().score_table(table, folder / "joined", part_rows=20)
    (folder / "joined" / "part-000001.parquet").unlink()
    command = [
        sys.executable,
        "-m",
        "hybrid_llm.cli",
        "score",
        str(table),
        "--out",
        str(folder / "joined"),
        "--json",
        "--part-rows",
        "20",
    ]
    address = context.address_info["gcs_address"]
    joined = subprocess.run([*command, "--engine", "ray", "--address", address], capture_output=True, text=True)
    if joined.returncode:
        sys.exit(joined.stderr)
    scores = {name: pq.read_table(folder / name).to_pydict() for name in ("killed", "joined")}
    local = Router.load()
    found = {
        "died": (folder / "mark").read_text(),
        "workers": [killed.workers, json.loads(joined.stdout)["workers"]],
        "new": [killed.new, json.loads(joined.stdout)["new"]],
        "rows": {name: columns["row"] for name, columns in scores.items()},
        "scores": {name: columns["score"] for name, columns in scores.items()},
        "alone": [float(local.score([query])[0]) for query in QUERIES],
    }
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
