"""The command line ``mos``: stands on top of every package and joins them."""

import sys

# This file must be understood by old versions of Python: no other file is read by them.
OLDEST = (3, 11)
NEWEST = (3, 13)

if sys.version_info[:2] < OLDEST:
    sys.exit(
        "error: mos needs Python {}.{} to {}.{}, and this is Python {}.{} ({}); use a newer one, in a checkout with "
        "`make setup PYTHON=python3.12`".format(*OLDEST, *NEWEST, *sys.version_info[:2], sys.executable)
    )
