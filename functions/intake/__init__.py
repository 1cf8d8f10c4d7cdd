"""Admits inserted items as pending tasks, or says what is wrong with them."""
