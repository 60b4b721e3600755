"""Who signed what for whom: every signature that arrived anywhere in a sandbox."""

from collections.abc import Sequence

import attrs

from purveyor_testing.sandbox import Call, Entry
from purveyor_virtengine.sandbox._chain import Chain
from purveyor_virtengine.sandbox._verify import Scheme, claim_of


@attrs.frozen
class Signature:
    """One signature that arrived. It is not kept itself."""

    seq: int
    """Of the log's entry."""
    server: str
    """Where it arrived: ``provider-1``, ``chain``, …"""
    method: str
    path: str
    scheme: Scheme
    address: str
    """Who claims to have signed."""
    nonce: str
    named: bool
    """Whether an active lease bound that account to this provider just then. False: nobody should have signed for it."""
    first_at: str | None
    """For a replay: the server where this nonce arrived first."""
    verdict: str = "unchecked"
    """``accepted``, the daemon's words of refusal, or ``unchecked`` where nobody looked."""


@attrs.define(eq=False)
class Record:
    """All signatures, oldest first, over all servers of one sandbox."""

    _chain: Chain
    _kept: list[Signature] = attrs.field(factory=list, init=False)
    _first: dict[tuple[str, str], str] = attrs.field(factory=dict, init=False)

    def arrived(self, call: Call, entry: Entry, provider: str | None = None) -> None:
        """Note a request, if it claims to be signed. `provider` is whose server it came to, if any's."""
        claim = claim_of(call)
        if claim is None:
            return
        seen = self._first.get((claim.address, claim.nonce)) if claim.nonce else None
        self._first.setdefault((claim.address, claim.nonce), entry.server)
        named = provider is not None and self._chain.names(claim.address, provider)
        self._kept.append(
            Signature(
                entry.seq,
                entry.server,
                call.method,
                call.path,
                claim.scheme,
                claim.address,
                claim.nonce,
                named,
                seen,
            )
        )
        call.effect(
            "received",
            "signature",
            claim.nonce or claim.address,
            (
                claim.address,
                "named" if named else "stray",
                *([f"replay of {seen}"] if seen is not None else ()),
            ),
        )

    def judged(self, call: Call, verdict: str) -> None:
        """Note what a daemon found out about the request's signature."""
        claim = claim_of(call)
        for place in reversed(range(len(self._kept))):
            kept = self._kept[place]
            if claim is not None and (kept.address, kept.nonce) == (claim.address, claim.nonce):
                self._kept[place] = attrs.evolve(kept, verdict=verdict)
                return

    def signatures(self) -> Sequence[Signature]:
        """A copy."""
        return list(self._kept)
