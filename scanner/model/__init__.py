"""The nouns of the scanner, in the order of the flow.

target -> route -> session (with certificate) and policy -> assessment -> record; fault travels in all of them.
Frozen values, standard library only.

Touches: nothing.
"""
