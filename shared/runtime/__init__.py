"""What a service runs on: the broker, the database, the clock, logs and metrics. The only shared I/O there is."""
