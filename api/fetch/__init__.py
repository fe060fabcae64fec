"""Outgoing fetches by rule: the only way in which anything of Kyso reaches the network on behalf of a document.

Certificates name the addresses of their OCSP responders and CRLs, and anyone can write a certificate. So an address is
asked only if its host is configured, every address that its name resolves to is checked, the connection goes to exactly
that address, redirects are not followed, and size and time are bounded.

>>> from verify.fetcher import FetchRequest
>>> fetcher = HttpFetcher(FetchRules(allowed=("ocsp.example.org",)))
>>> try: fetcher.fetch(FetchRequest("crl", "http://169.254.169.254/latest"))
... except FetchRefused as refusal: print(refusal.facts["reason"])
host-not-allowed
"""

from api.errors import FetchRefused
from api.fetch.fetcher import HttpFetcher
from api.fetch.rules import FetchRules

__all__ = ["FetchRefused", "FetchRules", "HttpFetcher"]
