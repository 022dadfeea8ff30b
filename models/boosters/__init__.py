"""LightGBM boosters that start from the de-vigged market and learn what it misses."""
