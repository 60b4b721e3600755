"""What can be set about one provider's daemon."""

from typing import Any, Literal

import attrs

from purveyor_virtengine.sandbox._certificates import Certificate

Dialect = Literal["go", "openapi"]
Lifecycle = Literal["served", "unavailable", "no_consent", "declined", "panic"]


@attrs.define(eq=False, kw_only=True, slots=False)
class Behaviour:
    """How this daemon behaves; all of it but the certificate may be changed while it serves.

    The defaults are a Go daemon that is set up with care. The one that ships lets unsigned requests in
    (``allow_insecure=True``), cannot look leases up (``ownership="unavailable"``) and has no metrics
    (``metrics=False``).
    """

    dialect: Dialect = "go"
    """go: what daemons really serve. openapi: what their description promises: health and errors in its JSON, and
    the deployment list, detail and status, which the Go server does not have."""
    health: Literal["ok", "degraded", "down"] = "ok"
    """Only OpenAPI's health can tell."""
    described: bool = True
    """Whether it says anything of itself; the daemon that ships leaves all fields empty."""
    claims: dict[str, Any] = attrs.field(factory=dict)
    """What it says of itself in ``/provider/info`` instead of the truth."""
    rate_limit: int = 120
    """Requests below /api/v1 in a fixed window of a minute, of everybody behind one address; 0 is no limit."""
    allow_insecure: bool = False
    """Unsigned requests are let in as ``dev``, who may see everything."""
    hmac_secret: str = attrs.field(default="", repr=False)
    chain_id: str = "virtengine-1"
    """Of the signatures that it accepts."""
    ownership: Literal["checked", "unavailable"] = "checked"
    """unavailable: 403 ``lease query unavailable`` to whoever signs well."""
    deployment_format: str = "{dseq}"
    """What it calls a lease in paths, of owner, dseq, gseq, oseq and provider."""
    metrics: bool = True
    """False: ``deployment not found`` for every deployment, and empty histories."""
    metrics_stream: bool = False
    """No daemon is known to have it: 404."""
    lifecycle: Lifecycle = "served"
    """What comes of actions; declined is 200 with ``"success": false``."""
    action_seconds: float = 20.0
    """How long an action takes; a hundredth of it in fast mode."""
    doomed: list[str] = attrs.field(factory=list)
    """Actions of which the next ends failed, such as ``restart``."""
    shell: Literal["scripted", "echo"] = "scripted"
    """scripted: see the shell. echo: what comes in goes out, and nothing ever ends, as in the daemon of today."""
    certificate: Certificate = "none"
    """none: plain http, as the daemon itself serves; all others are https, as it is with what stands in front of it.
    good: by the sandbox's authority, for the daemon's address. other_host: for another name. expired. stranger: by an
    authority that nobody knows. It is taken up at the daemon's next start."""
    minimum_veid: int | None = 80
    """Score that shells ask for."""
    session_seconds: float = 600.0
    """How long a shell's token is good for. Sandbox time."""
    chatter_seconds: float | None = None
    """Wall time after which a followed log or metrics stream that nothing happens on says something by itself."""
    lines_between: int = 0
    """Lines that are written in the moment between a stream's tail and its following, and so never sent on it."""
