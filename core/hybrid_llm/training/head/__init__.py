"""The recipe ``head``: a kernel head on the frozen encoder, fitted in seconds without torch."""
