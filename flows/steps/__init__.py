"""(state, event) -> (state, outputs), plain Python."""
