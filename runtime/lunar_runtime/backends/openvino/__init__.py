"""OpenVINO: its module without telemetry, its settings, what it compiled, and the backend."""
