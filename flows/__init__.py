"""Dataflows and their edges."""
