"""How fast a score is."""
