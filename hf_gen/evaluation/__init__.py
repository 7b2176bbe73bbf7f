"""What was learned, in numbers measured on held-out images."""
