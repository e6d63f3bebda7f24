"""One module per verb of the ``mos`` command."""
