"""Announces every task that ends, stored or not."""
