"""What strangers send: broken files made from whole ones, and a child that answers within bounds."""
