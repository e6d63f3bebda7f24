"""The Feast repository and the thin reader and writer of its online store."""

from features.feast_import import import_feast

import_feast()
