"""A Kubernetes API server and its two operators as test doubles: real HTTP, real processes, no cluster."""
