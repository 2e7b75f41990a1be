"""A route of the API with all that is to be said of it: it is served, checked and documented from this."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from relay.admin.api.ask import Ask, Reply
from relay.admin.api.models.fields import Answer, Given
from relay.admin.principal import Scope

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRoute:
    """One method of one path.

    Attributes:
        path: After the prefix; `{endpoint_id}`, `{event_id}`, `{operation_id}` and `{token_id}` are what they say.
        call: Answers it.
        scope: What whoever asks must be allowed.
        tag: The heading under which it is documented.
        summary: What it does, in a few words.
        answer: What programs get.
        note: More about it.
        query: What may stand in the query; None: nothing.
        body: What is sent; None: nothing.
        is_body_optional: A body that is not sent is an empty one.
        status: Of the answer.
        creates_once: It takes an Idempotency-Key, and answers a repeated request with 200.
        for_tenants: Tokens of one tenant may ask it.
    """

    method: str
    path: str
    call: Callable[[Ask], Awaitable[Reply]]
    scope: Scope
    tag: str
    summary: str
    answer: type[Answer]
    note: str = ""
    query: type[Given] | None = None
    body: type[Given] | None = None
    is_body_optional: bool = False
    status: int = 200
    creates_once: bool = False
    for_tenants: bool = True
