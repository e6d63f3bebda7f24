"""The stream worker: Faust agents from clicks to recommendations, and the embedded broker."""
