"""Who asks: API keys, tokens of an issuer, sessions of a browser, certificates of clients. All yield one `Caller`.

`Gate` (`gate.py`) is the door: a chain of ways in, each in a file of its own. What a caller may do then is not here
(`api.auth`), and neither is how a signature is activated.

| Way | What is shown | File |
|---|---|---|
| `ApiKeys` | `Authorization: Bearer kyso_…` | `api_keys.py` |
| `Tokens` | `Authorization: Bearer <JWT>` of a configured issuer | `tokens.py`, `issuers.py`, `outgoing.py` |
| `Sessions` | the cookie `__Host-kyso`, made by `/login` | `sessions.py`, `login.py` |
| `ClientCertificates` | a certificate, in the TLS handshake or from a trusted proxy | `certificates.py`, `peers.py` |

`grants.py` turns claims and certificates into callers by the rules of the settings, and by nothing else.
"""
