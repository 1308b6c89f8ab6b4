"""Writes down every event once, each chained to the one before it, so that nothing can be changed unnoticed."""
