"""One task, the real decisions, and every order in which anything can happen to it."""
