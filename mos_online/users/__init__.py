"""What is remembered of a user: the profile, its update by a session, profiles of a whole log."""
