"""What each observer adds to a request."""
