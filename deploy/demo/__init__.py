"""`steamline demo`: one slate, replayed through the real processes."""
