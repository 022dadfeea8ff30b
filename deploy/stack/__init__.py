"""The local stack without Docker: Kafka, Redis and Postgres as plain processes."""

from deploy.stack.lifecycle import ServerStatus, down, status, up
from deploy.stack.state import StackState, read, resolve

__all__ = ["ServerStatus", "StackState", "down", "read", "resolve", "status", "up"]
