"""Characters that are never shown as they are, on terminals and pages, since they make a text look like another."""

# They make terminals act, or text read in another order than it has: controls beyond ASCII's, bidirectional
# and invisible format characters, line separators; and surrogates, which cannot be written at all.
UNSHOWABLE = (
    "\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ud800-\\udfff"
)
"""These, as the inside of a regular expression's set; JSON can escape all of it."""
