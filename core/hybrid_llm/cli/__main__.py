"""``python -m hybrid_llm.cli``, for shells that do not find ``hybrid-llm``."""

from __future__ import annotations

import sys

from hybrid_llm.cli.app import main

sys.exit(main())
