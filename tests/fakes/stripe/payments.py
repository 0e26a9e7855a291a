"""Payment intents, charges and invoice payments; refunds and disputes of charges."""

from __future__ import annotations

from tests.fakes.stripe import cards
from tests.fakes.stripe.clock import DAY
from tests.fakes.stripe.errors import ApiError, declined
from tests.fakes.stripe.forms import Params, known, merged, text, whole
from tests.fakes.stripe.store import Object
from tests.fakes.stripe.world import Mode


def request(mode: Mode, invoice: Object) -> None:
    """An open invoice asks for its money: a payment intent and the invoice payment that ties both."""
    intent = mode.make(
        "payment_intent",
        "pi",
        {
            "amount": invoice["amount_due"],
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": None,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic",
            "client_secret": None,
            "confirmation_method": "automatic",
            "currency": invoice["currency"],
            "customer": invoice["customer"],
            "customer_account": None,
            "description": None,
            "excluded_payment_method_types": None,
            "last_payment_error": None,
            "latest_charge": None,
            "metadata": {},
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_configuration_details": None,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "processing": None,
            "receipt_email": None,
            "review": None,
            "setup_future_usage": "off_session",
            "shipping": None,
            "source": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "requires_payment_method",
            "transfer_data": None,
            "transfer_group": None,
            "_invoice": invoice["id"],
        },
    )
    invoice["_intent"] = intent["id"]
    mode.emit("payment_intent.created", intent)
    mode.make(
        "invoice_payment",
        "inpay",
        {
            "amount_paid": None,
            "amount_requested": invoice["amount_due"],
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        },
    )


def card_for(mode: Mode, invoice: Object, sub: Object | None) -> str | None:
    """The payment method that an automatic charge of the invoice takes, if there is one."""
    preferred = sub["default_payment_method"] if sub else None
    return cards.usable(mode, invoice["customer"], invoice["default_payment_method"], preferred)


def charge_invoice(mode: Mode, invoice: Object, method: str | None) -> tuple[str, Object | None]:
    """One attempt: decline code (or nothing) and the charge, None when there was no card to charge."""
    intent = mode.get("payment_intent", invoice["_intent"])
    if method is None:
        return "no_payment_method", None
    card = cards.real(mode, method)
    behaviour = mode.cards[card["id"]]
    code = "" if behaviour == "dispute" else behaviour
    charge = mode.make("charge", "ch", {**_charge(mode, invoice, intent, card["id"], code), "_invoice": invoice["id"]})
    intent["latest_charge"], intent["payment_method"] = charge["id"], None if code else card["id"]
    if code:
        intent["last_payment_error"] = declined(code, charge["id"], card["id"]).error
        mode.emit("charge.failed", charge)
        mode.emit("payment_intent.payment_failed", intent)
    else:
        intent["status"], intent["amount_received"] = "succeeded", intent["amount"]
        intent["last_payment_error"] = None
        mode.emit("charge.succeeded", charge)
        mode.emit("payment_intent.succeeded", intent)
        if behaviour == "dispute":
            dispute(mode, charge["id"])
    return code, charge


def _charge(mode: Mode, invoice: Object, intent: Object, method: str, code: str) -> Object:
    amount = invoice["amount_remaining"]
    return {
        "amount": amount,
        "amount_captured": 0 if code else amount,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None if code else mode.ids.new("txn"),
        "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        "calculated_statement_descriptor": "FAKE",
        "captured": not code,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "description": "Subscription update",
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": "card_declined" if code else None,
        "failure_message": "Your card was declined." if code else None,
        "fraud_details": {},
        "metadata": {},
        "on_behalf_of": None,
        "outcome": {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": "05" if code else None,
            "network_status": "declined_by_network" if code else "approved_by_network",
            "reason": code or None,
            "risk_level": "normal",
            "seller_message": "The bank did not return any further details with this decline."
            if code
            else "Payment complete.",
            "type": "issuer_declined" if code else "authorized",
        },
        "paid": not code,
        "payment_intent": intent["id"],
        "payment_method": method,
        "payment_method_details": {"card": {"brand": "visa", "last4": "0341" if code else "4242"}, "type": "card"},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "failed" if code else "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }


def refusal(mode: Mode, invoice: Object, code: str) -> ApiError:
    """What POST /v1/invoices/:id/pay answers after a failed attempt."""
    if code == "no_payment_method":
        return ApiError(
            400,
            "There is no `default_payment_method` set on this Customer or Invoice. Please attach one first.",
            code="invoice_payment_intent_requires_action",
        )
    intent = mode.get("payment_intent", invoice["_intent"])
    return declined(code, intent["latest_charge"], None)


def settle(mode: Mode, invoice: Object, *, outside: bool) -> None:
    """The invoice is paid: so is its invoice payment; outside Stripe the intent is canceled."""
    for payment in mode.store.of("invoice_payment"):
        if payment["invoice"] != invoice["id"] or payment["status"] != "open":
            continue
        if outside:
            payment["status"], payment["status_transitions"]["canceled_at"] = "canceled", mode.now
            intent = mode.get("payment_intent", invoice["_intent"])
            intent.update(status="canceled", canceled_at=mode.now, cancellation_reason="void_invoice")
            mode.emit("payment_intent.canceled", intent)
        else:
            payment["status"], payment["amount_paid"] = "paid", payment["amount_requested"]
            payment["status_transitions"]["paid_at"] = mode.now
            mode.emit("invoice_payment.paid", payment)


def refund(mode: Mode, params: Params) -> Object:
    """POST /v1/refunds: all that is left, or `amount`."""
    known(params, "charge", "payment_intent", "amount", "reason", "metadata")
    id_ = params.get("charge")
    if id_ is None and params.get("payment_intent"):
        id_ = mode.get("payment_intent", params["payment_intent"], "payment_intent")["latest_charge"]
    charge = mode.get("charge", id_, "charge")
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = whole(params, "amount", left)
    if left == 0:
        raise ApiError(400, f"Charge {id_} has already been refunded.", code="charge_already_refunded")
    if amount is None or not 0 < amount <= left:
        raise ApiError(400, f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})")
    made = mode.make(
        "refund",
        "re",
        {
            "amount": amount,
            "balance_transaction": mode.ids.new("txn"),
            "charge": charge["id"],
            "currency": charge["currency"],
            "customer": charge["customer"],
            "customer_account": None,
            "destination_details": {"card": {"type": "refund"}, "type": "card"},
            "metadata": merged({}, params),
            "payment_intent": charge["payment_intent"],
            "payment_method": charge["payment_method"],
            "reason": text(params, "reason"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded",
            "transfer_reversal": None,
        },
    )
    del made["livemode"]
    with mode.change(charge, "charge.refunded"):
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
        charge.setdefault("_refunds", []).insert(0, dict(made))
    mode.emit("refund.created", made)
    return made


def dispute(mode: Mode, charge_id: str, reason: str = "fraudulent") -> Object:
    """The cardholder's bank takes the money back until it is decided."""
    charge = mode.get("charge", charge_id)
    made = mode.make(
        "dispute",
        "dp",
        {
            "amount": charge["amount"],
            "balance_transactions": [],
            "charge": charge_id,
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {},
            "evidence_details": {
                "due_by": mode.now + 9 * DAY,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {
                "card": {"brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4"},
                "type": "card",
            },
            "reason": reason,
            "status": "needs_response",
        },
    )
    charge["disputed"] = True
    mode.emit("charge.dispute.created", made)
    mode.emit("charge.dispute.funds_withdrawn", made)
    return made


def decide(mode: Mode, id_: str, status: str) -> Object:
    """A dispute ends `won` or `lost`."""
    found = mode.get("dispute", id_)
    with mode.change(found, "charge.dispute.updated", "charge.dispute.closed"):
        found["status"] = status
    if status == "won":
        mode.emit("charge.dispute.funds_reinstated", found)
    return found
