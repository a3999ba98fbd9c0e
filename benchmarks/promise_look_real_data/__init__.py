"""What a certificate of the second look costs on real pairs, and whether it holds."""
