"""What ``hybrid-llm run`` makes of a real pair of models."""
