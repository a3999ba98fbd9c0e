"""What the sizes of DeBERTa-v3 cost in fine-tuning."""
