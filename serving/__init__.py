"""The recommendation service has an HTTP API, a scoring queue, and a Ray Serve application around both."""
