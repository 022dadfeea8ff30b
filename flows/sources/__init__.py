"""One module a data source: payload to events."""
