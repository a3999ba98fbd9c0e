"""What 100, 300 and 1,000 graded prompts buy."""
