"""The sandbox's own pages: what partners did, what goes wrong on purpose, and whether it is there."""

import json
from dataclasses import asdict, fields
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.local.partners.sandbox import Faults, Sandbox

Share = Annotated[float, Field(ge=0, le=1)]


class FaultsOrdered(BaseModel):
    """Faults as they are set; what is not named goes back to none."""

    model_config = ConfigDict(extra="forbid")

    error: Share = 0.0
    too_many: Share = 0.0
    lost_answer: Share = 0.0
    silent: Share = 0.0
    late: Share = 0.0
    patience: Annotated[float, Field(ge=0, le=600)] = 30.0
    delay: Annotated[float, Field(ge=0, le=60)] = 0.0
    duplicate_callback: Share = 0.0
    rate: Annotated[float, Field(gt=0)] | None = None


class Control:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def effects(self, request: web.Request) -> web.Response:
        """All effects; `?partner=` narrows it down."""
        wanted = request.query.get("partner")
        effects = [asdict(e) for e in self._sandbox.effects.values() if wanted in (None, e.partner)]
        return web.json_response(effects, dumps=_dumps)

    async def all_faults(self, request: web.Request) -> web.Response:
        return web.json_response({name: _shown(self._sandbox.faults[name]) for name in sorted(self._sandbox.partners)})

    async def faults(self, request: web.Request) -> web.Response:
        return web.json_response(_shown(self._sandbox.faults[self._partner(request)]))

    async def set_faults(self, request: web.Request) -> web.Response:
        partner = self._partner(request)
        try:
            ordered = FaultsOrdered.model_validate_json(await request.read())
        except ValidationError as error:
            return web.json_response({"errors": error.errors(include_url=False)}, status=400, dumps=_dumps)
        faults = self._sandbox.faults[partner]
        for name, value in ordered.model_dump().items():
            setattr(faults, name, value)
        return web.json_response(_shown(faults))

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    def _partner(self, request: web.Request) -> str:
        if (partner := request.match_info["partner"]) not in self._sandbox.partners:
            raise web.HTTPNotFound(text=f"no partner {partner}; there are {', '.join(sorted(self._sandbox.partners))}")
        return partner

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_sandbox/effects", self.effects),
            web.get("/_sandbox/faults", self.all_faults),
            web.get("/_sandbox/faults/{partner}", self.faults),
            web.put("/_sandbox/faults/{partner}", self.set_faults),
            web.get("/healthz", self.health),
        ]


def _shown(faults: Faults) -> dict[str, Any]:
    """As they are set, and how often each was really injected."""
    shown = {field.name: getattr(faults, field.name) for field in fields(faults)}
    return shown | {"injected": dict(faults.injected)}


def _dumps(value: Any) -> str:
    return json.dumps(value, default=str)
