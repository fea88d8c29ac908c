"""starttls-scanner: a bulk scanner of e-mail transport security. Read `survey.py` first."""

__version__ = "0.1.0"
