"""The command line ``mos``: stands on top of every package and joins them."""
