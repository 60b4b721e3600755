"""Settings of one Prometheus, of endpoints that are scraped directly, or of both."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from purveyor.plugin import SecretRef
from purveyor_prometheus._queries import QUERIES

__all__ = ["Settings", "SourceSettings"]


def _above_zero(_settings: object, _field: object, value: float) -> None:
    if value <= 0:
        msg = f"must be above zero, not {value:g}"
        raise ValueError(msg)


def _not_negative(_settings: object, _field: object, value: float) -> None:
    if value < 0:
        msg = f"cannot be negative: {value:g}"
        raise ValueError(msg)


def _known_queries(_settings: object, _field: object, value: Mapping[str, str]) -> None:
    unknown = sorted(value.keys() - QUERIES.keys())
    if unknown:
        msg = f"there is no query {unknown[0]!r}; there are {', '.join(sorted(QUERIES))}"
        raise ValueError(msg)


def _label_names(_settings: object, _field: object, value: tuple[str, ...]) -> None:
    for one in value:
        if not re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", one):
            msg = f"must be names of labels, not {one!r:.80}"
            raise ValueError(msg)


def _whole_ids(_settings: object, _field: object, value: Mapping[str, str]) -> None:
    for one in value.values():
        if not all(one.partition("/")):
            msg = f"must be provider/id, not {one!r:.80}"
            raise ValueError(msg)


@attrs.frozen(kw_only=True)
class SourceSettings:
    """Where measurements are read and whom they belong to: what a type that reads them in this way lets users say.

    ``base_url``, which all provider types have, is the server to query.

    Attributes:
        replicas: Further servers with the same data; they are asked when the first does not answer well.
        username: For basic authentication at the servers.
        password: For basic authentication at the servers.
        token: Bearer token for the servers, instead of a user name and a password.
        tenant: Whose data to ask for (``X-Scope-OrgID``), where several share a server.
        targets: Endpoints to scrape directly: addresses (``http://10.0.0.5:9100/metrics``), or host and port.
        scrape_username: For basic authentication at the targets.
        scrape_password: For basic authentication at the targets.
        scrape_token: Bearer token for the targets, instead of a user name and a password.
        scrape_timeout: Seconds that one target may take.
        scrape_max_body: Bytes that a target may answer, before as well as after inflating.
        scrape_max_samples: Samples that a target may have.
        instance_label: Label that holds the id of the machine, as put there by relabelling.
        instance_provider: The provider that these ids belong to; without it, labels must hold ``provider/id``.
        instances: Machines (``provider/id``) by address (``10.0.0.5``), resource id, or ``label=value``.
        deployment_label: Label that holds the name of the deployment.
        deployments: Deployments by address, resource id, or ``label=value``.
    """

    replicas: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    username: str | None = None
    password: SecretRef | None = None
    token: SecretRef | None = None
    tenant: str | None = None
    targets: tuple[str, ...] = attrs.field(default=(), converter=tuple)
    scrape_username: str | None = None
    scrape_password: SecretRef | None = None
    scrape_token: SecretRef | None = None
    scrape_timeout: float = attrs.field(default=10.0, validator=_above_zero)
    scrape_max_body: int = attrs.field(default=16 * 1024 * 1024, validator=_above_zero)
    scrape_max_samples: int = attrs.field(default=100_000, validator=_above_zero)
    instance_label: str | None = None
    instance_provider: str | None = None
    instances: Mapping[str, str] = attrs.field(factory=dict, validator=_whole_ids)
    deployment_label: str | None = None
    deployments: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Settings(SourceSettings):
    """Settings of one provider.

    Attributes:
        scrape_pause: Seconds until a target that was not scraped before is scraped again, for its first rates;
            0 leaves them out until the next time.
        window: Seconds over which the servers take rates, and after which a scrape is too old to take one from.
        queries: PromQL to use instead of ours, by name (``host.cpu_used``); empty text leaves a query out.
        labels: Further labels of containers to keep, so that they can be used in the tables above.
    """

    scrape_pause: float = attrs.field(default=1.0, validator=_not_negative)
    window: float = attrs.field(default=300.0, validator=_above_zero)
    queries: Mapping[str, str] = attrs.field(factory=dict, validator=_known_queries)
    labels: tuple[str, ...] = attrs.field(default=(), converter=tuple, validator=_label_names)
