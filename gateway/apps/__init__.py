"""Plug-in apps that arrive as signed bundles."""
