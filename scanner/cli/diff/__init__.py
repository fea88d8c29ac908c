"""`starttls diff`: what changed for each domain from one file of rows to a later one."""
