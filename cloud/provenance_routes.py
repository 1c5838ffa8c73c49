"""GET /api/v1/provenance-keys, .pem: the public keys that documents of clips are signed with; for anyone."""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from cloud.access.declare import public
from cloud.examples import shown
from cloud.provenance.register import PublicKey, known
from cloud.store import Store

PEM = "application/x-pem-file"
_KEY = {
    "key": "9f86d081884c7d65",
    "algorithm": "Ed25519",
    "pem": "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
    "-----END PUBLIC KEY-----\n",
    "since_ms": 1_790_000_000_000,
    "used_ms": 1_790_000_471_000,
    "current": True,
}


def provenance_routes(store: Store) -> APIRouter:
    """Make the routes. A key that is not in use any more is listed for what was signed with it."""
    router = APIRouter(dependencies=[public()])

    @router.get("/api/v1/provenance-keys", responses=shown([_KEY]))
    def keys() -> Sequence[PublicKey]:
        with store.read() as session:
            return known(session)

    @router.get(
        "/api/v1/provenance-keys.pem",
        response_class=Response,
        responses={200: {"content": {PEM: {"schema": {"type": "string"}}}}},
    )
    def pem() -> PlainTextResponse:
        """Give all of them, one after another, as `mirage cloud verify --key` takes them."""
        with store.read() as session:
            return PlainTextResponse("".join(each.pem for each in known(session)), media_type=PEM)

    return router
