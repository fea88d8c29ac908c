"""Evidence in, verdicts out. Pure: no network, no files, no clock. Read `judgement.py` first."""
