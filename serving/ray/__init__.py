"""The Ray Serve application and the Ray around it."""
