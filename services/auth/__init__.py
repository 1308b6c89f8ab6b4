"""Auth: who the users are and whether a password is theirs."""
