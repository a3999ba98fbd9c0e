"""Which command makes which number: a folder a study, ``common`` for what several use. See README.md."""
