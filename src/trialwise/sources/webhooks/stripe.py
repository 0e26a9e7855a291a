"""Stripe: its own SDK checks the signature over the raw bytes; the event is landed as it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from trialwise.sources.piece import Piece
from trialwise.sources.webhooks.checks import check_age, check_taken, header
from trialwise.sources.webhooks.protocol import MEBIBYTE, POST, Refused, Request


@dataclass(frozen=True)
class Stripe:
    """Events of Stripe, thin ones (v2) too: what they are is the loader's question.

    tolerance: how old a signature may be; Stripe signs every retry anew. None asks nothing.
    """

    tolerance: timedelta | None = timedelta(seconds=300)
    name: str = "stripe"
    source: str = "stripe"
    format: str = "stripe"
    methods: frozenset[str] = POST
    max_bytes: int = 2 * MEBIBYTE
    signed_by: str = "HMAC-SHA256 in Stripe-Signature, checked by Stripe's SDK, at most 5 minutes old"

    def verify(self, request: Request, secrets: Sequence[str]) -> None:
        """Raises Refused unless one `v1` signature fits one of the endpoint's secrets."""
        from stripe import SignatureVerificationError, WebhookSignature

        check_taken(request, secrets, self.methods, self.max_bytes)
        signature = header(request, "stripe-signature")
        fits = False
        for secret in secrets:
            try:
                # The SDK would ask the wall clock for the age; the time of arrival is asked below.
                fits |= WebhookSignature.verify_header(request.body, signature, secret, tolerance=None)
            except (SignatureVerificationError, UnicodeError, TypeError):
                continue  # bytes or a signature that are no text: the SDK raises what it comes upon
        if not fits:
            raise Refused("wrong_signature")
        if self.tolerance is not None:
            check_age(request, _sent(signature), self.tolerance)

    def pieces(self, request: Request) -> list[Piece]:
        """The event: the body, byte for byte."""
        return [Piece(1, 0, request.body)]


def _sent(signature: str) -> str:
    """The `t` of a signature that was found right."""
    return next(part.partition("=")[2] for part in signature.split(",") if part.startswith("t="))


WEBHOOK = Stripe()
