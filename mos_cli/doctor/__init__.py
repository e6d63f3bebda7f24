"""What can be wrong with an installation, one file per part; joined by `mos doctor`."""
