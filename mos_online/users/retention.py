"""Which closed sessions of a user stay."""

from __future__ import annotations

from collections.abc import Sequence

from mos_online.users.ring_sizes import RingSizes


def dropped_sessions(lengths: Sequence[int], themes: Sequence[int], sizes: RingSizes) -> list[int]:
    """Numbers of the sessions to drop, newest first; those stay that cover the last events over all or of a theme.

    A session that is dropped now would be dropped at every later time too, so it does not matter whether this is
    done after every session or once for a whole history. Unrouted sessions count as a theme: the next router may know
    their items. At most ``sizes.recent - 1 + m`` events stay for the first reason and ``sizes.theme - 1 + m`` of each
    theme for the second, where m is the length of the longest session.

    Args:
        lengths: events of each session, in the order in which they closed; an empty session is dropped.
        themes: theme of each.
        sizes: how many events have to be covered.

    >>> dropped_sessions([2, 3, 1, 2, 2], [1, 2, 1, 1, 1], RingSizes(recent=3, theme=3))
    [2, 0]
    """
    dropped: list[int] = []
    of_theme: dict[int, int] = {}
    total, recent, ring, number = 0, sizes.recent, sizes.theme, len(lengths)
    for length, theme in zip(reversed(lengths), reversed(themes), strict=True):
        number -= 1
        newer = of_theme.get(theme, 0)
        if (total >= recent and newer >= ring) or not length:
            dropped.append(number)
        of_theme[theme] = newer + length
        total += length
    return dropped
