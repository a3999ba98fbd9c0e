"""What 8-bit weights do to the encoder."""
