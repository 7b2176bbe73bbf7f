"""What a run becomes on the Hub: its card, its repository, and uploads while it trains."""
