"""Evidence to verdict: pure functions that may be run again over stored rows."""
