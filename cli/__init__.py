"""Typer commands, nothing else."""
