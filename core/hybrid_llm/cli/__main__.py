"""``python -m hybrid_llm.cli``, for shells that do not find ``hybrid-llm``, and for ``accelerate launch``."""

from __future__ import annotations

import os
import sys

from hybrid_llm.cli.app import main

code = main()
if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # one of several that a launcher started
    # All is written. torch's own threads abort a process now and then when the interpreter takes itself apart after
    # joint work, and the launcher then ends the others, in the middle of what they write.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
sys.exit(code)
