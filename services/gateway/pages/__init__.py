"""The portal pages: what a person sees of the gateway in a browser."""
