"""The command line, ``hybrid-llm``: one module for each group of commands, and no routing logic of its own."""

from __future__ import annotations

from hybrid_llm.cli.app import main

__all__ = ["main"]
