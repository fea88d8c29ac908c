"""`starttls plan`: what a scan would send and how long it would take; the arithmetic is in `scanner.plan`."""
