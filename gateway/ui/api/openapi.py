"""The API's own description, made from the handlers.

One rule: it says exactly what the handlers accept, so the shapes come from
msgspec, which checks them, and not from a second reading of the types.
"""

import asyncio
import functools
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from litestar import Litestar, Response, get, route
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from gateway.ui import documents, documents_events, documents_pairing, documents_rules, documents_watching
from gateway.ui.problems import Problem

_KIND = "application/vnd.oai.openapi+json"
_DESCRIPTION = """The box's own interface.

`GET /api/v1/events` is a WebSocket: a snapshot first, then one message per change.
`GET /live/{channel}/index.m3u8` is HLS and `GET /live/{channel}.ts` continuous MPEG-TS.
"""

_OVER = {"required": ["above"]}
_UNDER = {"required": ["below"]}
_EQUAL = {"required": ["equals"], "properties": {"hysteresis": {"const": 0}}}
_CHANGE = {
    "required": ["changes"],
    "properties": {"changes": {"const": True}, "for_s": {"const": 0}, "hysteresis": {"const": 0}},
}
_EXACTER: Mapping[str, Mapping[str, Any]] = {
    "Tune": {"oneOf": [{"required": ["channel"]}, {"required": ["number"]}]},
    "RuleStep": {"oneOf": [{"required": ["command"]}, {"required": ["notice"]}, {"required": ["tune"]}]},
    "RuleCondition": {"oneOf": [_OVER, _UNDER, _EQUAL]},
    "RuleTrigger": {"oneOf": [_OVER, _UNDER, _EQUAL, _CHANGE]},
}
"""What holds between the keys of a document, which types cannot say."""


def handler(routes: Sequence[BaseRouteHandler]) -> HTTPRouteHandler:
    """Return the handler of ``/api/v1/openapi.json`` for `routes`."""
    # Most boxes are never asked for it, so it is made at the first question.
    text = functools.cache(functools.partial(_document, routes))

    @get("/api/v1/openapi.json", media_type=_KIND, include_in_schema=False)
    async def openapi() -> Response[bytes]:
        return Response(await asyncio.to_thread(text), media_type=_KIND)

    return openapi


def options_handlers(routes: Sequence[BaseRouteHandler]) -> list[HTTPRouteHandler]:
    """Return handlers of OPTIONS for the addresses that several handlers share.

    Litestar's own one knows only the methods of the first of them.  Must be registered before `routes`.
    """
    methods: dict[str, list[HTTPRouteHandler]] = {}
    for one in routes:
        for path in one.paths:
            methods.setdefault(path, []).append(cast("HTTPRouteHandler", one))
    return [_options(path, sharing) for path, sharing in methods.items() if len(sharing) > 1]


def _options(path: str, sharing: Sequence[HTTPRouteHandler]) -> HTTPRouteHandler:
    allow = ", ".join(sorted({"OPTIONS", *(str(method) for one in sharing for method in one.http_methods)}))

    @route(path, http_method=["OPTIONS"], status_code=204, include_in_schema=False)
    async def list_methods() -> Response[None]:
        return Response(None, status_code=204, headers={"Allow": allow})

    return list_methods


def _drop_empty_answers(paths: Mapping[str, Any]) -> None:
    """Say of answers without a body that they have none."""
    for operations in paths.values():
        for operation in operations.values():
            operation["responses"].get("204", {}).pop("content", None)


def _document(routes: Sequence[BaseRouteHandler]) -> bytes:
    config = OpenAPIConfig(
        title="Gateway",
        version="1",
        description=_DESCRIPTION,
        use_handler_docstrings=True,
        components=Components(
            security_schemes={"token": SecurityScheme(type="http", scheme="bearer")},
        ),
        security=[{"token": []}],
    )
    schema = Litestar(routes, openapi_config=config, logging_config=None).openapi_schema.to_schema()
    schemas = schema["components"]["schemas"]
    kinds = [kind for name in schemas if (kind := _kind_named(name))]
    _, exact = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schemas.update(exact)
    for name, more in _EXACTER.items():
        if name in schemas:
            schemas[name] |= more
    _drop_empty_answers(schema["paths"])
    return msgspec.json.encode(schema)


def _kind_named(name: str) -> Any:  # noqa: ANN401 - any documented type there is
    if name == "Problem":
        return Problem
    for module in (documents, documents_rules, documents_events, documents_watching, documents_pairing):
        if found := getattr(module, name, None):
            return found
    return None
