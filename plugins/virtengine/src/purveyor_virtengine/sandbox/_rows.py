"""Rows of the chain's REST, in the JSON that grpc-gateway makes of the protos: 64-bit numbers are strings."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

from purveyor_testing.sandbox import rfc3339
from purveyor_virtengine.sandbox._chain import Chain, Lease, Provider


def _coin(denom: str, amount: Decimal | str | int) -> dict[str, str]:
    return {"denom": denom, "amount": f"{Decimal(amount):.18f}"}


def provider_row(provider: Provider) -> dict[str, Any]:
    """One provider."""
    if provider.row is not None:
        return provider.row
    return {
        "owner": provider.owner,
        "host_uri": provider.host_uri,
        "attributes": [{"key": key, "value": value} for key, value in provider.attributes],
        "info": {"email": provider.email, "website": provider.website},
    }


def lease_row(lease: Lease, height: int) -> dict[str, Any]:
    """One lease, and the payments under it."""
    xid = f"{lease.owner}/{lease.dseq}"
    accrued = Decimal(lease.price) * max((lease.closed_on or height) - lease.created_at, 0)
    escrow = {"active": "open", "insufficient_funds": "overdrawn", "closed": "closed"}[lease.state]
    unsettled = Decimal(lease.price) * 10 if escrow == "overdrawn" else Decimal(0)
    return {
        "lease": {
            "id": {
                "owner": lease.owner,
                "dseq": str(lease.dseq),
                "gseq": lease.gseq,
                "oseq": lease.oseq,
                "provider": lease.provider,
                "bseq": 0,
            },
            "state": lease.state,
            "price": _coin(lease.denom, lease.price),
            "created_at": str(lease.created_at),
            "closed_on": str(lease.closed_on),
            "reason": "lease_closed_owner" if lease.closed_on else "lease_closed_invalid",
        },
        "escrow_payment": {
            "id": {
                "aid": {"scope": "deployment", "xid": xid},
                "xid": f"{lease.gseq}/{lease.oseq}/{lease.provider}",
            },
            "state": {
                "owner": lease.provider,
                "state": escrow,
                "rate": _coin(lease.denom, lease.price),
                "balance": _coin(lease.denom, 0),
                "unsettled": _coin(lease.denom, unsettled),
                "withdrawn": {"denom": lease.denom, "amount": str(int(accrued))},
            },
        },
    }


def deployment_state(leases: Iterable[Lease]) -> str:
    """A deployment is active while one lease under it is not closed."""
    return "closed" if all(one.state == "closed" for one in leases) else "active"


def deployment_row(leases: Sequence[Lease], chain: Chain) -> dict[str, Any]:
    """The deployment that these leases are the groups of."""
    first = leases[0]
    id_ = {"owner": first.owner, "dseq": str(first.dseq)}
    created = min(one.created_at for one in leases)
    digest = sha256(f"{first.owner}/{first.dseq}".encode()).digest()
    state = deployment_state(leases)
    account = {
        "owner": first.owner,
        "state": "open" if state == "active" else "closed",
        "transferred": [_coin(first.denom, 0)],
        "settled_at": str(chain.height()),
        "funds": [_coin(first.denom, 5_000_000)],
        "deposits": [],
    }
    return {
        "deployment": {
            "id": id_,
            "state": state,
            "hash": b64encode(digest).decode(),
            "created_at": str(created),
        },
        "groups": [_group(one) for one in leases],
        "escrow_account": {
            "id": {"scope": "deployment", "xid": f"{first.owner}/{first.dseq}"},
            "state": account,
        },
    }


def _group(lease: Lease) -> dict[str, Any]:
    states = {"active": "open", "insufficient_funds": "insufficient_funds", "closed": "closed"}
    resource = {
        "id": 1,
        "cpu": {"units": {"val": str(lease.cpu)}, "attributes": []},
        "memory": {"quantity": {"val": str(lease.memory)}, "attributes": []},
        "storage": [{"name": "default", "quantity": {"val": str(lease.storage)}, "attributes": []}],
        "gpu": {"units": {"val": str(lease.gpu)}, "attributes": []},
        "endpoints": [{"kind": "SHARED_HTTP", "sequence_number": 0}],
    }
    return {
        "id": {"owner": lease.owner, "dseq": str(lease.dseq), "gseq": lease.gseq},
        "state": states[lease.state],
        "group_spec": {
            "name": lease.name,
            "requirements": {"signed_by": {"all_of": [], "any_of": []}, "attributes": []},
            "resources": [
                {"resource": resource, "count": lease.count, "price": _coin(lease.denom, lease.price)}
            ],
        },
        "created_at": str(lease.created_at),
    }


def block_row(chain: Chain, height: int) -> dict[str, Any]:
    """One block; its time has nanoseconds, as CometBFT writes them."""
    moment = chain.block_time(height)
    header = {
        "version": {"block": "11", "app": "0"},
        "chain_id": chain.chain_id,
        "height": str(height),
        "time": _nanoseconds(moment),
        "proposer_address": b64encode(sha256(str(height).encode()).digest()[:20]).decode(),
    }
    block = {
        "header": header,
        "data": {"txs": []},
        "evidence": {"evidence": []},
        "last_commit": {"height": str(height - 1), "round": 0, "signatures": []},
    }
    hashed = b64encode(sha256(f"{chain.chain_id}/{height}".encode()).digest()).decode()
    return {"block_id": {"hash": hashed}, "block": block, "sdk_block": block}


def _nanoseconds(moment: float) -> str:
    whole = Decimal(repr(moment)).quantize(Decimal("1e-9"))
    seconds = int(whole)
    return rfc3339(seconds).removesuffix("Z") + f"{whole - seconds:.9f}"[1:] + "Z"
