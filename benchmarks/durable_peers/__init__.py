"""The queues that durable runs are measured beside: a driver script each, and their servers.

A driver runs in its peer's own environment (``.venv/NAME``) and imports ``race`` of this folder.
"""
