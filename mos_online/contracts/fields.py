"""Types of fields that several messages share."""

from __future__ import annotations

from typing import Annotated

import msgspec

MAX_ID = 256
"""Characters of the longest id."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]  # up to the year 9999
Scalar = str | int | float | bool | None
Context = dict[str, Scalar | list[Scalar]]
"""What a publisher says about an event: scalars and lists of scalars by name."""
