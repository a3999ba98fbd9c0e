"""What a second look costs in time."""
