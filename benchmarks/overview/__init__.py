"""The picture of the README, from kept results."""
