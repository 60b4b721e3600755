"""Where the state lies: on which host, in which run of it, on what kind of disk."""

from __future__ import annotations

import platform
from pathlib import Path

__all__ = ["network_file_system", "this_boot", "this_host"]

_NETWORKED = {"9p", "afs", "ceph", "cifs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
_NETWORKED_FUSE = ("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse")


def this_host() -> str:
    """What tells this host from others."""
    return _line(Path("/etc/machine-id")) or platform.node()


def this_boot() -> str:
    """What tells this run of the machine from earlier ones; empty where nothing does."""
    return _line(Path("/proc/sys/kernel/random/boot_id"))


def network_file_system(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The kind of file system that a folder is on, if other hosts can mount it too; locks cannot be relied on there.

    ``mounts`` has Linux' form; where there is no such file, nothing is known.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    deepest, kind = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].replace("\\040", " ")
        if folder.is_relative_to(point) and len(point) >= deepest:
            deepest, kind = len(point), after.split(" ")[0]
    return kind if kind in _NETWORKED or kind.startswith(_NETWORKED_FUSE) else None


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
