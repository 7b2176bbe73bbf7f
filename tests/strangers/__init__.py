"""What strangers send: broken files made from whole ones, and a child with bounds to answer."""
