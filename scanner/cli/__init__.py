"""One file per command; the sole reader of argv, environment and configuration file; joins ports and adapters."""
