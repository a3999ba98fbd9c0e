"""How often an audit is wrong, and how soon it knows."""
