"""Reads XML signatures and digests what they cover; judges nothing (that is for `verify.engine`).

    findings = find(file, limits=Limits(), detached={"contract.pdf": other})

lxml and our own rules, not signxml: that finds only the first signature, passes over transforms it does not know, has
its properties from anywhere in the document and needs 300 bytes of memory for one of the document.
"""

from verify.xml.signatures import find

__all__ = ["find"]
