"""What computing costs, as a user states it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat, model_validator

from tunelift.core.config import Strict

Price = Annotated[float, Field(ge=0)]


class Prices(Strict):
    """Prices in one currency. What is not given is not known, and costs that need it are left out.

    A machine costs by the hour, by the electricity it takes, or both. An endpoint costs by the token; where such
    prices are given, answers are paid by the token, and the machine is paid for tuning alone.

    Attributes:
        currency: Its name, which stands beside amounts.
        per_hour: Of the machine.
        per_kilowatt_hour: Of electricity.
        per_million_prompt_tokens: Of an endpoint.
        per_million_completion_tokens: Of an endpoint.
        watts: Power that the machine draws while it works, where its energy is not measured.
    """

    currency: Annotated[str, Field(min_length=1, max_length=12)] = "USD"
    per_hour: Price | None = None
    per_kilowatt_hour: Price | None = None
    per_million_prompt_tokens: Price | None = None
    per_million_completion_tokens: Price | None = None
    watts: PositiveFloat | None = None

    @model_validator(mode="after")
    def _both_kinds_of_tokens(self) -> Prices:
        if (self.per_million_prompt_tokens is None) != (self.per_million_completion_tokens is None):
            raise ValueError(
                "needs per_million_prompt_tokens and per_million_completion_tokens together - write 0 for what is free"
            )
        return self

    def joules(self, seconds: float | None, measured: float | None) -> float | None:
        """Energy of some work: what was measured, else what the machine draws in that time."""
        if measured is not None or self.watts is None or seconds is None:
            return measured
        return self.watts * seconds

    def of_machine(self, seconds: float | None, joules: float | None) -> float | None:
        """Money for the machine's time and electricity; None where there is no price or what it is for is not known."""
        parts = [(self.per_hour, seconds, 3600.0), (self.per_kilowatt_hour, joules, 3.6e6)]
        priced = [part for part in parts if part[0] is not None]
        known = [price * amount / unit for price, amount, unit in parts if price is not None and amount is not None]
        return sum(known) if priced and len(known) == len(priced) else None

    def of_tokens(self, prompt: float | None, completion: float | None) -> float | None:
        """Money for tokens of an endpoint; None where there is no price or the tokens are not known."""
        if self.per_million_prompt_tokens is None or self.per_million_completion_tokens is None:
            return None
        if prompt is None or completion is None:
            return None
        return (self.per_million_prompt_tokens * prompt + self.per_million_completion_tokens * completion) / 1e6

    @property
    def by_token(self) -> bool:
        """Whether answers are paid by the token."""
        return self.per_million_prompt_tokens is not None
