"""What became of a bet: graded by the rules of the book that took it."""
