"""The process behind ``mos learn``: reads sessions and outcomes, keeps a log of them, and gives it to what learns."""
