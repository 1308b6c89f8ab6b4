"""Policy: whether a second factor is demanded, and the only yes there is."""
