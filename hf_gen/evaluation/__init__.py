"""What was learned, in numbers measured on test images."""
