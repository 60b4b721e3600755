"""Images, kernels and public StackScripts: plausible rows in the real API's shape."""

import hashlib
from typing import Any

Row = dict[str, Any]

_BUILT = "2024-06-13T14:03:13"

# id, label, vendor, size MB, end of life, cloud-init, deprecated
_IMAGES: tuple[tuple[str, str, str, int, str | None, bool, bool], ...] = (
    ("almalinux8", "AlmaLinux 8", "AlmaLinux", 1700, "2029-03-01", True, False),
    ("almalinux9", "AlmaLinux 9", "AlmaLinux", 2200, "2032-05-31", True, False),
    ("alpine3.21", "Alpine 3.21", "Alpine", 600, "2026-11-01", True, False),
    ("alpine3.22", "Alpine 3.22", "Alpine", 600, "2027-05-01", True, False),
    ("arch", "Arch Linux", "Arch", 2500, None, True, False),
    ("centos-stream9", "CentOS 9 Stream", "CentOS", 1800, "2027-05-31", True, False),
    ("debian11", "Debian 11", "Debian", 2500, "2026-08-31", True, False),
    ("debian12", "Debian 12", "Debian", 3200, "2028-06-30", True, False),
    ("debian13", "Debian 13", "Debian", 3200, "2030-06-30", True, False),
    ("fedora42", "Fedora 42", "Fedora", 2600, "2026-05-13", True, True),
    ("fedora43", "Fedora 43", "Fedora", 2600, "2026-12-02", True, False),
    ("gentoo", "Gentoo", "Gentoo", 6300, None, False, False),
    ("kali", "Kali Linux", "Kali", 2400, None, False, False),
    ("opensuse15.6", "openSUSE Leap 15.6", "openSUSE", 2500, "2026-04-30", True, False),
    ("rocky9", "Rocky Linux 9", "Rocky", 2200, "2032-05-31", True, False),
    ("slackware15.0", "Slackware 15.0", "Slackware", 13500, None, False, False),
    ("ubuntu20.04", "Ubuntu 20.04 LTS", "Ubuntu", 3000, "2025-04-23", True, True),
    ("ubuntu22.04", "Ubuntu 22.04 LTS", "Ubuntu", 4000, "2027-04-01", True, False),
    ("ubuntu24.04", "Ubuntu 24.04 LTS", "Ubuntu", 4000, "2029-04-25", True, False),
)


def images() -> list[Row]:
    """The public part of GET /images."""
    return [_image(*one) for one in _IMAGES]


def _image(
    name: str,
    label: str,
    vendor: str,
    size: int,
    eol: str | None,
    init: bool,  # noqa: FBT001 - a column of the table above
    deprecated: bool,  # noqa: FBT001 - likewise
) -> Row:
    return {
        **blank(f"linode/{name}", label, size, _BUILT),
        "created_by": "linode",
        "is_public": True,
        "deprecated": deprecated,
        "vendor": vendor,
        "eol": f"{eol}T04:00:00" if eol else None,
        "capabilities": ["cloud-init", "distributed-sites"] if init else [],
    }


def blank(id_: str, label: str, size: int, created: str) -> Row:
    """An image with everything that images have."""
    return {
        "id": id_,
        "label": label,
        "description": "",
        "created": created,
        "updated": created,
        "size": size,
        "created_by": "",
        "type": "manual",
        "tags": [],
        "is_public": False,
        "is_shared": False,
        "deprecated": False,
        "vendor": None,
        "expiry": None,
        "eol": None,
        "status": "available",
        "capabilities": [],
        "regions": [],
        "total_size": size,
        "image_sharing": {"shared_with": None, "shared_by": None},
    }


_KERNELS = (
    ("latest-2.6-32bit", "2.6.39", "i386", True),
    ("latest-32bit", "6.14.3", "i386", False),
    ("latest-64bit", "6.14.3", "x86_64", False),
    ("6.14.3-x86_64-linode168", "6.14.3", "x86_64", False),
    ("6.12.21-x86_64-linode167", "6.12.21", "x86_64", False),
    ("grub2", "2.06", "x86_64", False),
    ("direct-disk", "", "x86_64", False),
)


def kernels() -> list[Row]:
    """GET /linode/kernels."""
    return [_kernel(*one) for one in _KERNELS]


def _kernel(name: str, version: str, architecture: str, deprecated: bool) -> Row:  # noqa: FBT001 - a row of the table above
    return {
        "id": f"linode/{name}",
        "label": name.replace("-", " ").capitalize(),
        "version": version,
        "kvm": not deprecated,
        "architecture": architecture,
        "pvops": True,
        "deprecated": deprecated,
        "built": _BUILT,
    }


_UBUNTU = ("linode/ubuntu24.04", "linode/ubuntu22.04")
_EMAIL = ("soa_email_address", "Email address for the Let's Encrypt certificate", None, None)

# label, images, user-defined fields (name, label, default, oneof)
_APPS: tuple[tuple[str, tuple[str, ...], tuple[tuple[str, str, str | None, str | None], ...]], ...] = (
    ("WordPress One-Click", _UBUNTU, (_EMAIL, ("webserver_stack", "Web server", "LAMP", "LAMP,LEMP"))),
    ("Docker One-Click", _UBUNTU, ()),
    ("GitLab One-Click", ("linode/debian12", *_UBUNTU), (_EMAIL,)),
    ("Jenkins One-Click", _UBUNTU, ()),
    ("LAMP One-Click", _UBUNTU, ()),
    ("LEMP One-Click", _UBUNTU, ()),
    ("Nextcloud One-Click", ("linode/debian12",), (_EMAIL,)),
    ("OpenVPN One-Click", _UBUNTU, ()),
    ("WireGuard One-Click", _UBUNTU, (("port", "Port", "51820", None),)),
    ("Minecraft: Java Edition One-Click", ("linode/debian11",), (("motd", "Message", "Welcome", None),)),
    ("PostgreSQL One-Click", ("linode/debian12",), ()),
    ("MySQL/MariaDB One-Click", _UBUNTU, (("database", "Database", "MySQL", "MySQL,MariaDB"),)),
    ("MongoDB One-Click", _UBUNTU, ()),
    ("Redis One-Click", ("linode/ubuntu22.04",), ()),
    ("Grafana One-Click", ("linode/debian11",), ()),
    ("Prometheus & Grafana One-Click", _UBUNTU, (_EMAIL,)),
    ("Plex One-Click", ("linode/debian12",), ()),
    ("Ghost One-Click", _UBUNTU, (_EMAIL,)),
    ("Discourse One-Click", _UBUNTU, (_EMAIL,)),
    ("Cloudron One-Click", ("linode/ubuntu24.04",), ()),
    ("Coolify One-Click", ("linode/ubuntu24.04",), ()),
    ("Rocket.Chat One-Click", _UBUNTU, (_EMAIL,)),
    ("HashiCorp Vault One-Click", _UBUNTU, ()),
    ("Owncast One-Click", ("linode/debian12",), (_EMAIL,)),
)
_COMMUNITY = 120
"""Other users' public StackScripts; the real list has thousands."""


def scripts() -> list[Row]:
    """The public part of GET /linode/stackscripts: apps by the user ``linode`` amid everybody's."""
    apps = [_script("linode", label, images, fields) for label, images, fields in _APPS]
    others = [_script(f"user{n % 17}", f"script {n}", ("any/all",), ()) for n in range(_COMMUNITY)]
    return others[: _COMMUNITY // 2] + apps + others[_COMMUNITY // 2 :]


def _script(
    username: str,
    label: str,
    images: tuple[str, ...],
    fields: tuple[tuple[str, str, str | None, str | None], ...],
) -> Row:
    return {
        "username": username,
        "user_gravatar_id": gravatar(username),
        "label": label,
        "description": label,
        "ordinal": 0,
        "logo_url": "",
        "images": list(images),
        "deployments_total": sum(label.encode()) % 900,
        "deployments_active": sum(label.encode()) % 90,
        "is_public": True,
        "mine": False,
        "created": _BUILT,
        "updated": _BUILT,
        "rev_note": "",
        "script": "#!/bin/bash\n",
        "user_defined_fields": [_field(*one) for one in fields],
    }


def _field(name: str, label: str, default: str | None, oneof: str | None) -> Row:
    row = {"name": name, "label": label, "default": default, "oneof": oneof}
    return {key: value for key, value in row.items() if value is not None}


def gravatar(username: str) -> str:
    """What stands for a user's picture."""
    return hashlib.md5(username.encode(), usedforsecurity=False).hexdigest()
