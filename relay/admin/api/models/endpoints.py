"""Endpoints, as programs write and read them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from relay.admin.api.models.fields import Answer, Duration, Given, Json, ListQuery, Name, PageOf

State = Literal["active", "paused", "disabled"]
Signature = Literal["both", "x-webhook", "standard"]


def _without_defaults(schema: Json) -> None:
    """Take out of a schema what a field is if it is left out: here it is what it was."""
    for field in schema["properties"].values():
        field.pop("default", None)


class NewEndpointBody(Given):
    """An endpoint to create. What is left out has its default; null leaves a limit to the configuration."""

    url: str = Field(description="Where its requests go.", examples=["https://example.com/hooks"])
    description: str = ""
    tenant: Name | None = Field(None, description="Whose events it gets; the token's own if it has one.")
    event_types: list[str] = Field(
        ["*"], description="Types such as invoice.paid, prefixes such as invoice.*, or *."
    )
    filter: Json | None = Field(None, description="It gets only events whose payload contains this.")
    headers: dict[str, str] = Field({}, description="Sent with each of its requests.")
    signature: Signature = "both"
    timeout: Duration | None = None
    ordered: bool = Field(default=False, description="Whether it gets the events of one key one at a time.")
    rate_limit: float | None = Field(None, description="Requests a second at most.")
    max_in_flight: int | None = Field(None, description="Requests at once at most.")
    retry_schedule: list[Duration] | None = None
    store_response_body: bool = True
    metadata: Json = Field({}, description="An object of your own.")
    secret: str | None = Field(None, description="What signs its requests; left out: a new one is made.")


class EndpointChangesBody(Given):
    """Fields of an endpoint to change; those that are left out stay as they are."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    url: str = ""
    description: str = ""
    event_types: list[str] = Field([])
    filter: Json | None = None
    headers: dict[str, str] = Field({})
    signature: Signature = "both"
    timeout: Duration | None = None
    ordered: bool = False
    rate_limit: float | None = None
    max_in_flight: int | None = None
    retry_schedule: list[Duration] | None = None
    store_response_body: bool = True
    metadata: Json = Field({})


class EndpointsQuery(ListQuery):
    """Which endpoints."""

    tenant: Name | None = None
    state: State | None = None
    text: Name | None = Field(None, description="What stands in the URL or the description.")


class RotateBody(Given):
    """How to change the secret."""

    overlap: Duration | None = Field(
        None,
        description="How long the old secret signs as well; 0s ends it at once; left out: as it is configured.",
    )
    secret: str | None = Field(None, description="The new one; left out: it is made.")


class ResumeBody(Given):
    """How to go on."""

    discard_waiting: bool = Field(
        default=False, description="Give up what waits, and begin with what is new."
    )


class TestBody(Given):
    """What to send as a test."""

    event_type: Name = "relay.test"
    payload: Json | list[object] = Field({"test": True}, description="Sent byte for byte as it stands here.")
    wait: Duration | None = Field(
        None, description="How long to wait for the answer, at most 30s.", examples=["5s"]
    )


class UrlBody(Given):
    """A URL to judge."""

    url: str


class Endpoint(Answer):
    """An endpoint, without its secrets."""

    id: UUID
    url: str
    description: str
    tenant: str
    event_types: list[str]
    filter: Json | None
    headers: Json = Field(
        description="To a token below `admin` the values of those that carry secrets are `[hidden]`."
    )
    signature: Signature
    timeout: Duration | None
    ordered: bool
    rate_limit: float | None
    max_in_flight: int | None
    retry_schedule: list[Duration] | None
    store_response_body: bool
    metadata: Json
    state: Literal["active", "paused", "disabled", "removed"]
    disabled_reason: str | None
    created_at: datetime
    updated_at: datetime


class CreatedEndpoint(Endpoint):
    """A new endpoint with its secret, which is shown with the creation alone."""

    secret: str | None = Field(
        description="Null if the request is repeated and the secret was changed meanwhile."
    )


class RotatedSecret(Answer):
    """The new secret, which is shown this once."""

    endpoint: Endpoint
    secret: str
    signing: int = Field(description="How many secrets sign its requests now.")


class EndpointChange(Answer):
    """An endpoint after a wish, and whether the wish changed anything."""

    endpoint: Endpoint
    changed: bool
    discarded: int = Field(0, description="How many waiting deliveries were given up.")


class RemovedEndpoint(Answer):
    """An endpoint that is removed, and how many of its waiting deliveries that ended."""

    endpoint: Endpoint
    ended: int


class Health(Answer):
    """How an endpoint does."""

    endpoint_id: UUID
    url: str
    state: State
    success_ratio: float | None = Field(
        description="Of the attempts of the last five minutes; null: there were none."
    )
    attempts: int = Field(description="In the last five minutes.")
    p50_ms: int | None
    p99_ms: int | None
    pending: int
    retrying: int
    held: int
    dead: int
    oldest_waiting: datetime | None
    breaker: Literal["closed", "open", "half_open"]
    paused_until: datetime | None
    failing_since: datetime | None
    is_estimate: bool = Field(description="The numbers are, since there are very many.")


class UrlVerdict(Answer):
    """Whether an endpoint may have a URL."""

    url: str = Field(description="As it would be stored, or as it was given if it may not be used.")
    allowed: bool
    code: str | None = Field(description="What is wrong, in one word; null: nothing.")
    reason: str | None


class EndpointPage(PageOf[Endpoint]):
    """A part of the list of endpoints."""
