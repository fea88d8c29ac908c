"""`starttls doctor`: may this machine scan? Facts are gathered first, and judged by pure functions."""
