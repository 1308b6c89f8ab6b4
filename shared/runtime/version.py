"""The version of this application: all services are deployed from one tree and carry one number."""

VERSION = "0.1.0"
