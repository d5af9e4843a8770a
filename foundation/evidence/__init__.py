"""The evidence of one charge as people read it: words, the whole case, its page."""
