"""Pydantic models of everything that crosses a boundary; imports nothing else of ours."""
