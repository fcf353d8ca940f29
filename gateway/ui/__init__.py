"""The television page, its HTTP API and its events."""
