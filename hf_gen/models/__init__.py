"""The networks. Each file stands alone, since it is uploaded with its weights."""
