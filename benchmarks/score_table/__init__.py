"""How fast a whole table is scored; see ``run``."""
