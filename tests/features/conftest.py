"""Feast is imported as the programs do, also where a test imports it itself."""

import features  # noqa: F401
