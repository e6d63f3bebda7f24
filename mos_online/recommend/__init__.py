"""From a profile and an open session to ranked items."""
