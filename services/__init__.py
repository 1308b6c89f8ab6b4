"""One folder for each service; none imports another."""
