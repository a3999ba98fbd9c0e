"""The machine that the numbers were made on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def machine() -> str:
    """Describe the processor and its cores."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def processor() -> str:
    """Describe the processor: its model, cores and whether it has VNNI."""
    fields = dict(
        line.split(":", 1) for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if ":" in line
    )
    named = {key.strip(): value.strip() for key, value in fields.items()}
    vnni = [flag for flag in named.get("flags", "").split() if "vnni" in flag]
    model = f"{named.get('model name')} (family {named.get('cpu family')}, model {named.get('model')})"
    cores = int(named.get("processor", "0")) + 1
    return f"{model}, {cores} cores, VNNI: {', '.join(vnni) or 'none'}; {platform.system()}"
