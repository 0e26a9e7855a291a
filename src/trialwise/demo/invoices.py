"""The state of one Stripe invoice, its payment, refund and dispute, and the events they send."""

from __future__ import annotations

from dataclasses import dataclass, field

from trialwise.demo import payment_shapes
from trialwise.demo.ledger import Ledger
from trialwise.demo.product import DAY, HOUR, NEW_API_FROM, Price
from trialwise.demo.shapes import Json
from trialwise.demo.subscriptions import Subscription


@dataclass(slots=True)
class Invoice:
    """One invoice. Draft when made; `open`, `pay`, `fail`, `void`, `write_off` move it on."""

    ledger: Ledger
    subscription: Subscription
    id: str
    created: int
    reason: str
    lines: list[Json] = field(default_factory=list)
    subtotal: int = 0
    discount: int = 0
    status: str = "draft"
    attempts: int = 0
    next_attempt: int | None = None
    finalized_at: int | None = None
    paid_at: int | None = None
    voided_at: int | None = None
    uncollectible_at: int | None = None
    from_balance: int = 0
    off_stripe: bool = False
    charge: str | None = None
    intent: str | None = None

    @property
    def total(self) -> int:
        """Total after discounts, before the credit balance."""
        return self.subtotal - self.discount

    def line(self, amount: int, text: str, start: int, end: int, price: Price | None) -> Json:
        """A line of the subscription item (price given) or of a one-off invoice item (None)."""
        currency = self.subscription.price.currency
        details: Json = {
            "invoice_item": None,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": self.subscription.id,
        }
        if price is None:
            details["invoice_item"] = self.ledger.new_id("ii")
            parent = {
                "invoice_item_details": details,
                "subscription_item_details": None,
                "type": "invoice_item_details",
            }
        else:
            details["subscription_item"] = self.subscription.item_id
            parent = {
                "invoice_item_details": None,
                "subscription_item_details": details,
                "type": "subscription_item_details",
            }
        price_id, product = (
            (price.id, price.product) if price else ("price_1HLonboardingOnceUSD00", "prod_HLonboarding01")
        )
        return {
            "id": self.ledger.new_id("il"),
            "object": "line_item",
            "amount": amount,
            "currency": currency,
            "description": text,
            "discount_amounts": [],
            "discountable": True,
            "discounts": [],
            "invoice": self.id,
            "livemode": self.subscription.customer.livemode,
            "metadata": {},
            "parent": parent,
            "period": {"end": end, "start": start},
            "pretax_credit_amounts": [],
            "pricing": {
                "price_details": {"price": price_id, "product": product},
                "type": "price_details",
                "unit_amount_decimal": str(amount),
            },
            "quantity": 1,
            "quantity_decimal": "1",
            "subtotal": amount,
            "taxes": [],
        }

    def render(self) -> Json:
        """The invoice object now."""
        sub, customer = self.subscription, self.subscription.customer
        due = max(self.total - self.from_balance, 0)
        paid = due if self.status == "paid" and not self.off_stripe else 0
        off_stripe = due if self.off_stripe and self.status == "paid" else 0
        discounts = [sub.discount_id] if self.discount and sub.discount_id else []
        return {
            "id": self.id,
            "object": "invoice",
            "account_country": "US",
            "account_name": "Harborloom",
            "account_tax_ids": None,
            "amount_due": due,
            "amount_overpaid": 0,
            "amount_paid": paid + off_stripe,
            "amount_paid_off_stripe": off_stripe,
            "amount_remaining": due - paid - off_stripe,
            "amount_shipping": 0,
            "application": None,
            "attempt_count": self.attempts,
            "attempted": self.attempts > 0,
            "auto_advance": self.status in {"draft", "open"},
            "automatic_tax": {
                "disabled_reason": None,
                "enabled": False,
                "liability": None,
                "provider": None,
                "status": None,
            },
            "automatically_finalizes_at": self.created + HOUR if self.status == "draft" else None,
            "billing_reason": self.reason,
            "collection_method": sub.collection_method,
            "confirmation_secret": None,
            "created": self.created,
            "currency": sub.price.currency,
            "custom_fields": None,
            "customer": customer.id,
            "customer_account": None,
            "customer_address": None,
            "customer_email": customer.email,
            "customer_name": customer.name,
            "customer_phone": None,
            "customer_shipping": None,
            "customer_tax_exempt": "none",
            "customer_tax_ids": [],
            "default_payment_method": None,
            "default_source": None,
            "default_tax_rates": [],
            "description": None,
            "discounts": discounts,
            "due_date": self.created + 14 * DAY if sub.collection_method == "send_invoice" else None,
            "effective_at": self.finalized_at,
            "ending_balance": customer.balance if self.finalized_at else None,
            "footer": None,
            "from_invoice": None,
            "hosted_invoice_url": None,
            "invoice_pdf": None,
            "issuer": {"type": "self"},
            "last_finalization_error": None,
            "latest_revision": None,
            "lines": {
                "object": "list",
                "data": self.lines,
                "has_more": False,
                "total_count": len(self.lines),
                "url": f"/v1/invoices/{self.id}/lines",
            },
            "livemode": customer.livemode,
            "metadata": {},
            "next_payment_attempt": self.next_attempt,
            "number": f"{customer.id[-8:].upper()}-{self.id[-4:].upper()}" if self.finalized_at else None,
            "on_behalf_of": None,
            "parent": {
                "quote_details": None,
                "subscription_details": {"metadata": sub.metadata, "subscription": sub.id},
                "type": "subscription_details",
            },
            "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
            "period_end": self.created,
            "period_start": sub.created,
            "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0,
            "receipt_number": None,
            "rendering": None,
            "shipping_cost": None,
            "shipping_details": None,
            "starting_balance": customer.balance - self.from_balance,
            "statement_descriptor": None,
            "status": self.status,
            "status_details": None,
            "status_transitions": {
                "finalized_at": self.finalized_at,
                "marked_uncollectible_at": self.uncollectible_at,
                "paid_at": self.paid_at,
                "voided_at": self.voided_at,
            },
            "subtotal": self.subtotal,
            "subtotal_excluding_tax": self.subtotal,
            "test_clock": None,
            "total": self.total,
            "total_discount_amounts": [{"amount": self.discount, "discount": discounts[0]}] if discounts else [],
            "total_excluding_tax": self.total,
            "total_pretax_credit_amounts": [],
            "total_taxes": [],
            "webhooks_delivered_at": self.created + 1 if self.status != "draft" else None,
        }

    def _send(self, kind: str, at: int) -> None:
        links = {"charge": self.charge, "payment_intent": self.intent}
        self.ledger.emit(kind, at, self.render(), livemode=self.subscription.customer.livemode, old_keys=links)

    def announce(self) -> Invoice:
        """Send `invoice.created`, still a draft."""
        self._send("invoice.created", self.created)
        return self

    def finalize(self, at: int) -> None:
        """Draft -> open, credit balance applied; `invoice.sent` where it is mailed to the customer."""
        self.status, self.finalized_at = "open", at
        customer = self.subscription.customer
        if customer.balance < 0:
            self.from_balance = min(self.total, -customer.balance)
            customer.balance += self.from_balance
        if self.subscription.collection_method == "send_invoice":
            self._send("invoice.sent", at)

    def pay(self, at: int, *, off_stripe: bool = False) -> Invoice:
        """Take the money: `invoice.paid` and, for a card, `charge.succeeded` and `invoice_payment.paid`."""
        if self.finalized_at is None:
            self.finalized_at = at
        due = self.total - self.from_balance
        self.status, self.paid_at, self.next_attempt, self.off_stripe = "paid", at, None, off_stripe
        sub = self.subscription
        live = sub.customer.livemode
        source = self.ledger.new_id("prec", 22)
        if due > 0 and not off_stripe:
            self.attempts += 1
            self.charge, self.intent = self.ledger.new_id("ch", 22), self.ledger.new_id("pi", 22)
            source, card = self.intent, sub.card or sub.customer.card or "pm_1HLlinkedCard00000"
            link = {"invoice": self.id}
            self.ledger.emit("charge.succeeded", at, self._charge(0, card), livemode=live, old_keys=link)
        if due > 0 and at >= NEW_API_FROM:
            name, currency = self.ledger.new_id("inpay"), sub.price.currency
            rendered = payment_shapes.invoice_payment_object(name, at, self.id, source, due, currency)
            self.ledger.emit("invoice_payment.paid", at, rendered, livemode=live)
        self._send("invoice.paid", at)
        return self

    def _charge(self, refunded: int, card: str = "pm_1HLlinkedCard00000") -> Json:
        due = self.total - self.from_balance
        paid_at = self.paid_at or self.created
        currency, customer = self.subscription.price.currency, self.subscription.customer.id
        return payment_shapes.charge_object(
            self.charge or "", paid_at, customer, due, currency, self.intent or "", card, refunded
        )

    def fail(self, at: int, next_attempt: int | None) -> None:
        """A refused charge: `invoice.payment_failed`, with the instant of the next try if there is one."""
        self.status = "open"
        self.finalized_at = self.finalized_at or at
        self.attempts += 1
        self.next_attempt = next_attempt
        self._send("invoice.payment_failed", at)

    def void(self, at: int) -> None:
        """Void it: `invoice.voided`."""
        self.status, self.voided_at, self.next_attempt = "void", at, None
        self._send("invoice.voided", at)

    def write_off(self, at: int) -> None:
        """Give it up: `invoice.marked_uncollectible`."""
        self.status, self.uncollectible_at, self.next_attempt = "uncollectible", at, None
        self._send("invoice.marked_uncollectible", at)

    def refund(self, at: int, amount: int) -> None:
        """Give `amount` back: `refund.created` and `charge.refunded`."""
        if self.charge is None or self.intent is None:
            return
        currency = self.subscription.price.currency
        rendered = payment_shapes.refund_object(
            self.ledger.new_id("re", 22), at, self.charge, self.intent, amount, currency
        )
        self.ledger.emit("refund.created", at, rendered, by_request=True)
        previous = {"amount_refunded": 0, "refunded": False}
        self.ledger.emit(
            "charge.refunded", at, self._charge(amount), previous, by_request=True, old_keys={"invoice": self.id}
        )

    def dispute(self, at: int, closed_at: int, outcome: str) -> None:
        """A chargeback opened at `at` and closed as `won` or `lost` at `closed_at`."""
        if self.charge is None or self.intent is None:
            return
        name, due = self.ledger.new_id("du", 22), self.total - self.from_balance
        currency = self.subscription.price.currency
        for kind, when, status in (("created", at, "needs_response"), ("closed", closed_at, outcome)):
            rendered = payment_shapes.dispute_object(name, at, self.charge, self.intent, due, currency, status)
            self.ledger.emit(f"charge.dispute.{kind}", when, rendered)


def bill(
    sub: Subscription,
    at: int,
    start: int,
    end: int,
    reason: str = "subscription_cycle",
    *,
    trial: bool = False,
    setup_fee: int = 0,
) -> Invoice:
    """Make an invoice for the service period [start, end); `trial` bills 0, `setup_fee` adds a one-off line."""
    lines = []
    amount = 0 if trial else sub.price.amount * sub.quantity
    invoice = Invoice(sub.ledger, sub, sub.ledger.new_id("in", 22), at, reason)
    text = f"Trial period for {sub.price.product_name}" if trial else f"1 x {sub.price.product_name}"
    lines.append(invoice.line(amount, text, start, end, sub.price))
    if setup_fee:
        lines.append(invoice.line(setup_fee, "Onboarding, one-off", at, at, None))
    invoice.lines = lines
    share = {"PARTNER100": 100, "SPRING20": 20}.get(sub.coupon or "", 0)
    invoice.subtotal = amount + setup_fee
    invoice.discount = amount * share // 100
    sub.latest_invoice = invoice.id
    return invoice
