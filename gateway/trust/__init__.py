"""Deciding what the operator really signed."""
