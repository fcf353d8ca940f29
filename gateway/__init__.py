"""The daemon of the box under the television."""
