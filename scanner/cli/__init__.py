"""The commands: one file each. The only place that reads argv, environment and configuration, and that joins ports to adapters."""
