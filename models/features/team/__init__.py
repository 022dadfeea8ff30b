"""Team features: what the finished games say of an upcoming one, as known at a moment."""
