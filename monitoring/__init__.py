"""What a program tells its operator: /metrics, /healthz and /readyz, for programs that are no web services."""
