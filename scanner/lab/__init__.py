"""The lab: DNS, SMTP and HTTPS servers on loopback, playing one table of scenarios with the right verdict beside each.

It shares no code with the scanner and imports nothing of it: whoever checks must not lean on what is checked. The
verdicts in the tables are written by hand from the RFCs.

Touches: nothing by itself. Source: the clause beside every scenario.
"""
