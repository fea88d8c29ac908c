"""What senders would do with a message: one fold (`delivery.py`), one table for each mailer. Read `demands.py` next."""
