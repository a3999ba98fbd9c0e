"""What fine-tuning buys over a head, and how fast it reads rows."""
