"""Tests the tests: how many small mistakes in the functions do they notice? `make mutate` runs it."""
