"""What one family of models trains: its networks, its losses, its previews and what it exports."""
