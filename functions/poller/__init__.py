"""The poller package."""
