"""The demo: the whole system on one machine, on a real or a synthetic log, judged while it runs."""
