"""The live feed, the REST API and the dashboard."""
