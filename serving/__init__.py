"""The recommendation service: HTTP API, scoring queue and the Ray Serve application around them."""
