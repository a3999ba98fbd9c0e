"""Other routers on the same rows."""
