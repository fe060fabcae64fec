"""Timestamps of our own authority: RFC 3161, with the key's use on record like any other.

`signer.authority` decides what is answered; here is what it cannot know: which key, the ledger, the keeper. The answer
to a request that cannot be served is a TimeStampResp with a failInfo, not an error.
"""

from __future__ import annotations

import hashlib
import threading
from datetime import timedelta

from api import telemetry
from api.errors import ApiError
from api.refusals import KeyWithoutCertificate
from api.services import Services
from api.settings import Authority as AuthoritySettings
from hsm.errors import HsmError
from hsm.keys import KeyInfo
from signer.authority import Authority
from signer.clock import ClockGuard, kernel_is_synchronised


class TimestampService:
    """The authority behind `POST /tsa`; made anew when its key's certificate has changed. Safe for threads."""

    def __init__(self, settings: AuthoritySettings) -> None:
        self.settings = settings
        self.clock = ClockGuard(synchronised=kernel_is_synchronised if settings.require_synchronised_clock else None)
        self._lock = threading.Lock()
        self._made: tuple[KeyInfo, Authority] | None = None

    def respond(self, services: Services, request: bytes) -> bytes:
        """DER of the TimeStampResp. Raises HsmError or ApiError only when there is no authority to answer at all."""
        key = services.keys.find(self.settings.key)
        failure: list[Exception] = []

        def sign(tbs: bytes) -> bytes:
            try:
                return _sign(services, key, tbs, request)
            except (HsmError, ApiError) as error:
                failure.append(error)
                raise

        answer = self._authority(services, key).respond(request, sign=sign)
        for error in failure:
            telemetry.logger().error("no timestamp issued", code=getattr(error, "code", ""))
        services.metrics.timestamps.labels("failed" if failure else "answered").inc()
        return answer

    def _authority(self, services: Services, key: KeyInfo) -> Authority:
        with self._lock:
            if self._made is None or self._made[0] != key:
                if key.certificate is None:
                    raise KeyWithoutCertificate(key=key.ref)
                authority = Authority(
                    certificate=key.certificate,
                    chain=key.chain,
                    policy=self.settings.policy,
                    mechanism=services.keys.mechanism(key),
                    clock=self.clock.now,
                    accuracy=timedelta(milliseconds=self.settings.accuracy_ms),
                )
                self._made = key, authority
            return self._made[1]


def _sign(services: Services, key: KeyInfo, tbs: bytes, request: bytes) -> bytes:
    """One token's signature: INTENT, permit, keeper, DONE."""
    document = hashlib.sha256(request).hexdigest()
    facts = {"caller": "tsa", "level": "timestamp", "document_sha256": document}
    return services.key_user.once(key, mechanism=services.keys.mechanism(key), tbs=tbs, facts=facts)
