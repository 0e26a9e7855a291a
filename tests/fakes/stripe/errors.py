"""Errors in Stripe's JSON shape."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer that is no 2xx: status and the fields of `error`."""

    def __init__(self, status: int, message: str, *, kind: str = "invalid_request_error", **fields: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"message": message, "type": kind, **fields}

    def body(self, request_id: str) -> dict[str, Any]:
        """The JSON answer."""
        return {"error": {**self.error, "request_log_url": f"https://dashboard.stripe.com/logs/{request_id}"}}


def missing(kind: str, id_: str, param: str = "id") -> ApiError:
    """404: there is no such object (400 where the id came in another parameter)."""
    return ApiError(
        404 if param == "id" else 400,
        f"No such {kind.replace('.', ' ')}: '{id_}'",
        code="resource_missing",
        param=param,
        doc_url="https://docs.stripe.com/error-codes/resource-missing",
    )


def invalid(param: str, message: str, code: str = "parameter_invalid_empty") -> ApiError:
    """400: a parameter that cannot be."""
    return ApiError(400, message, code=code, param=param)


def required(param: str) -> ApiError:
    """400: a parameter that must be there."""
    return ApiError(400, f"Missing required param: {param}.", code="parameter_missing", param=param)


def declined(code: str, charge: str | None, payment_method: str | None) -> ApiError:
    """402: the card said no."""
    return ApiError(
        402,
        "Your card was declined." if code != "insufficient_funds" else "Your card has insufficient funds.",
        kind="card_error",
        code="card_declined",
        decline_code=code,
        charge=charge,
        payment_method={"id": payment_method, "object": "payment_method"} if payment_method else None,
    )
