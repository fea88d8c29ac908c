"""One domain on one page: a Record in, lines for people out. Nothing here knows how the record came to be.

`page.page` is the whole page, `letter.letter` the message to the partner's postmaster, `phrases.understood` reads what
a mail server wrote into its queue or log.

Touches: nothing. Source: docs/explain.md.
"""
