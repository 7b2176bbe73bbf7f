"""The networks. Each file stands alone, since it travels to the Hub beside its weights."""
