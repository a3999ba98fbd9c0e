"""From a Hugging Face model to an encoder folder: where it comes from, its graph, its export."""
