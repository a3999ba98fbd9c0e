"""What routing adds to a request in LiteLLM's proxy."""
