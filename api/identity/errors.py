"""Why somebody was not let in, told apart so that whoever has to mend it knows what. Nothing of a token is in them."""

from __future__ import annotations

from api.errors import ApiError, NotAuthenticated


class TokenRefused(NotAuthenticated):
    """The token is not one that can be taken: its form, its algorithm, its type, or a claim that is missing."""

    code = "token-refused"


class TokenExpired(TokenRefused):
    """The token's time is over."""

    code = "token-expired"


class TokenNotYetValid(TokenRefused):
    """The token's time has not begun, by the appliance's clock."""

    code = "token-not-yet-valid"


class TokenForAnother(TokenRefused):
    """The token names another audience."""

    code = "token-audience"


class TokenForged(TokenRefused):
    """The token's signature is not one by a key of its issuer."""

    code = "token-signature"


class IssuerUnknown(TokenRefused):
    """Nobody configured the token's issuer."""

    code = "token-issuer-unknown"


class TokenReplayed(TokenRefused):
    """The token is good for one use, and was used."""

    code = "token-replayed"


class TokenNotBound(TokenRefused):
    """The token is bound to a client's certificate that was not shown with it (RFC 8705), or in a way not known here."""

    code = "token-not-bound"


class CertificateStale(NotAuthenticated):
    """The CAs or CRLs of clients were replaced since this connection began: it has to be made anew."""

    code = "client-certificate-stale"


class CertificateWanted(NotAuthenticated):
    """Nothing is answered without a client's certificate, or it is no longer valid."""

    code = "client-certificate-required"


class SessionWithoutProof(NotAuthenticated):
    """A page of another site may have sent this: there is no CSRF token of the session, or another origin."""

    code = "csrf-refused"
    actor = "caller"


class NobodyMapped(ApiError):
    """Who it is is proved, but no rule of the settings gives them anything."""

    code = "identity-not-mapped"


class IssuerUnavailable(ApiError):
    """The issuer does not answer, and no key of it is known that still counts."""

    code = "issuer-unavailable"


class LoginRefused(ApiError):
    """The sign-in was not completed: an answer that does not belong to it, or what came back is not right."""

    code = "login-refused"
    actor = "caller"


class LoginNotOffered(ApiError):
    """There is no issuer of this name at which people sign in."""

    code = "login-not-offered"
    actor = "caller"
