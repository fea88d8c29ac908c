"""Why STARTTLS is missing or depends on who asks: `table.py` ranks, the others weigh what there is to go by."""
