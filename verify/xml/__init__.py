"""Reads XML signatures and digests what they cover; judges nothing (that is for `verify.engine`)."""
