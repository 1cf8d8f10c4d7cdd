"""What people need to operate the service."""
