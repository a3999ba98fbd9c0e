"""How far a few rows of a user's own go."""
