"""Traffic: public click logs, a synthetic population, and a replay of either as clicks, with faults if wanted."""
