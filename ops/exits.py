"""Exit statuses of the commands that scripts call. 2 is that of a wrong command line."""

WELL = 0
AMISS = 1
"""It was looked at, and something is wrong or was not found."""
NOT_ASKED = 3
"""It could not be looked at: the system does not run, or its broker cannot be reached."""
