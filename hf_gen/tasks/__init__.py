"""What one family of models trains: networks, losses, previews and the exported pipeline."""
