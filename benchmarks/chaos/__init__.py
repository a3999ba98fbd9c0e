"""What becomes of thousands of calls when the small server may say anything."""
