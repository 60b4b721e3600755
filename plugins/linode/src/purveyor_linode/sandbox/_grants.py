"""Restricted users: what each may do besides what a token's scopes say."""

from collections.abc import Sequence
from typing import Literal

from purveyor_linode.sandbox._filter import Row
from purveyor_linode.sandbox._world import Linode
from purveyor_testing.sandbox import Route

Level = Literal["read_only", "read_write"] | None

_KINDS = (
    "domain",
    "nodebalancer",
    "image",
    "longview",
    "stackscript",
    "volume",
    "firewall",
    "database",
    "vpc",
)


def restricted_to(*, account: Level = None, linodes: Level = None, add_linodes: bool = False) -> Row:
    """The grants of a restricted user: the same for each of the account's Linodes."""
    return {"account": account, "linodes": linodes, "add_linodes": add_linodes}


def allows(grants: Row, route: Route) -> bool:
    """Whether a restricted user may ask for this."""
    resource, _, level = route.scope.split(" ")[0].partition(":")
    if route.template.startswith("/v4/tags"):
        return False  # tags belong to unrestricted users
    if route.template.startswith("/v4/account") and resource == "account":
        return grants["account"] is not None and level in ("read_only", grants["account"])
    if resource == "linodes" and route.method == "POST" and route.template.endswith(("/instances", "/clone")):
        return bool(grants["add_linodes"])
    if resource == "linodes":
        return grants["linodes"] is not None and level in ("read_only", grants["linodes"])
    return resource not in ("images", "stackscripts") or level == "read_only"


def grants_row(grants: Row, linodes: Sequence[Linode]) -> Row:
    """GET /profile/grants."""
    level = grants["linodes"]
    mine = [{"id": one.id, "label": one.label, "permissions": level} for one in linodes]
    others = dict.fromkeys(
        ("add_domains", "add_nodebalancers", "add_longview", "add_volumes", "add_firewalls"), False
    )
    return {
        "global": {
            "account_access": grants["account"],
            "add_linodes": grants["add_linodes"],
            "add_images": False,
            "add_stackscripts": False,
            "cancel_account": False,
            "longview_subscription": False,
            **others,
        },
        "linode": mine,
        **{kind: [] for kind in _KINDS},
    }
