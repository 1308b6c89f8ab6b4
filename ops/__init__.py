"""The command line and the launcher: what runs Wardgate on one machine."""
