"""Claims, tables and figures from results."""
