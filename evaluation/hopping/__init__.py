"""Do the users of a log hop between themes? The measure, its controls and its verdict."""
