"""What enrollment decides, without any I/O: who owns which authenticator, and which code is good."""
