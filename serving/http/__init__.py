"""The HTTP API: its contract, a file for each route, and what the routes share."""
