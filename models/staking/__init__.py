"""From an edge to a stake, or to the reason why there is none."""
