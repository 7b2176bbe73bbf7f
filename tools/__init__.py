"""What maintainers run from a checkout."""
