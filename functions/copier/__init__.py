"""The copier package."""
