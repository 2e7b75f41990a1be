"""The OpenAPI document says what the routes do, and nothing else."""

import re

import orjson

from relay.admin.api import ROUTES, catalogue
from relay.admin.api.described import PREFIX
from relay.admin.api.openapi import document
from tests.support.reference import REFERENCE, render_openapi

CURE = "run `make schema`"
METHODS = {"get", "post", "patch", "delete", "put"}


def test_the_committed_document_is_what_the_code_says() -> None:
    assert (REFERENCE / "openapi.json").read_text(encoding="utf-8") == render_openapi(), CURE


def test_every_route_is_documented_and_everything_documented_is_a_route() -> None:
    documented = {
        (method.upper(), path)
        for path, operations in document()["paths"].items()
        for method in operations
        if method in METHODS
    }
    served = {(each.method, each.path) for each in ROUTES}
    assert served - documented == {("GET", f"{PREFIX}/openapi.json")}
    assert documented - served == set()


def test_every_operation_says_what_it_is_and_which_scope_it_needs() -> None:
    names = []
    for route in catalogue.ALL:
        operation = document()["paths"][PREFIX + route.path][route.method.lower()]
        names.append(operation["operationId"])
        assert operation["summary"]
        assert f"`{route.scope}`" in operation["description"]
        assert {"401", "403", "422", "503", str(route.status)} <= set(operation["responses"])
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere() -> None:
    text = orjson.dumps(document()).decode()
    for kind, name in set(re.findall(r'"\$ref":"#/components/(\w+)/([\w.]+)"', text)):
        assert name in document()["components"][kind]
