"""Time and memory of the labels."""
