"""Loopback DNS, SMTP, HTTPS and PKI from one scenario table. Imports nothing of the scanner: no shared parser, no shared mistake."""
