"""What routing adds to a call in LlamaIndex."""
