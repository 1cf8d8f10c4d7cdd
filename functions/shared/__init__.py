"""The nouns that all functions share."""
