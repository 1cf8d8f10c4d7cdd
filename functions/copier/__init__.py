"""Copies one finished video into the bucket and closes its task."""
