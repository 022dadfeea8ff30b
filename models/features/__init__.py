"""The feature engine: what a game's events become before a booster sees them."""
