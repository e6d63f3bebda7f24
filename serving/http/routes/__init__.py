"""One file for each route of the API."""
