"""Where a store may lie, and where the sockets of its processes do."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import socket
import stat
import tempfile
import threading
from collections.abc import Iterable

from .. import platform
from ..errors import StoreError

# Locks or shared memory do not work on these between machines, or not at all. What is not
# known passes.
_NETWORK = set(
    """
    nfs nfs4 cifs smb smb2 smb3 smbfs 9p afs afpfs ncp ncpfs ceph glusterfs lustre gpfs beegfs
    orangefs pvfs2 davfs webdav acfs
    """.split()  # noqa: SIM905 - a list of words is easier to read
)
_FUSE_NETWORK = set(
    """
    sshfs s3fs gcsfuse rclone davfs2 davfs glusterfs ceph ceph-fuse curlftpfs goofys blobfuse
    blobfuse2 smbnetfs juicefs mountpoint-s3 seaweedfs cifs nfs moosefs mfs
    """.split()  # noqa: SIM905
)
_SOCKET_PATH_BYTES = 103  # of sun_path: 108 on Linux, 104 on macOS, one of them a zero
_SOCKET_NAME_BYTES = 24  # "/w-4194304-99999.sock" and some
_PRIVATE = 0o700


def check_file(path: str) -> str:
    """Return the real path of a database that may lie there, or say why it may not.

    Raises :class:`~abreast.errors.StoreError`.
    """
    path = os.path.realpath(path)
    parent = os.path.dirname(path)
    if os.path.isdir(path):
        raise StoreError(f"{path} is a folder; a store is a file: give it a name, such as jobs.db")
    if not os.path.isdir(parent):
        raise StoreError(f"cannot create {path}: the folder {parent} does not exist; create it")
    for name in (path, parent):  # SQLite has files of its own beside the database
        if not os.access(name, os.R_OK | os.W_OK) and os.path.exists(name):
            raise StoreError(
                f"cannot write {name}; the user who runs this must be able to read and write "
                f"{path} and its folder, on a disk that is not mounted read-only"
            )
    kind = file_system(path)
    if is_network(kind):
        raise StoreError(
            f"{path} lies on a network file system ({kind}), where the locks that protect a store "
            "are not reliable; put it on a disk of this machine"
        )
    return path


def make_folder(folder: str) -> str:
    """Create the private folder of a store, if it is missing, and return it."""
    try:
        os.mkdir(folder, _PRIVATE)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise StoreError(
                f"{folder} must be the folder of the store, and is something else; move it away"
            ) from None
    except OSError as error:
        raise StoreError(
            f"cannot create the folder {folder} of the store: {error.strerror}; the user who runs "
            "this must be able to write beside the database"
        ) from error
    return folder


# -- file systems ----------------------------------------------------------------------------


def is_network(kind: str) -> bool:
    """Whether a file system of this type is shared by machines over a network."""
    family, _, name = kind.lower().partition(".")
    return family in _NETWORK or (family.startswith("fuse") and name in _FUSE_NETWORK)


def file_system(path: str) -> str:
    """Return the type of the file system below ``path`` ("ext4"), or "" if it is not known."""
    path = os.path.realpath(path)
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            return type_below(path, mounts(file))
    except OSError:
        pass
    if platform.LINUX:
        return ""
    import psutil

    parts = psutil.disk_partitions(all=True)
    return type_below(path, ((part.mountpoint, part.fstype) for part in parts))


def mounts(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:  # 36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw
        before, dash, after = line.partition(" - ")
        if dash:
            point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), before.split(" ")[4])
            yield point, after.split(" ")[0]


def type_below(path: str, mounts: Iterable[tuple[str, str]]) -> str:
    """Return the type of the mount, of pairs (mount point, type), that ``path`` lies on."""
    best, kind = "", ""
    for point, found in mounts:
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # of two on one point, the later hides the earlier
            best, kind = point, found
    return kind


# -- sockets ---------------------------------------------------------------------------------


def runtime_folder(path: str) -> str:
    """Return the private folder for the sockets of the database ``path``; create it.

    All processes that use one database find the same folder, whatever their environment. It is
    ``PATH.d/run``, unless the name is too long for a socket or the file system has no sockets: then
    it lies below ``XDG_RUNTIME_DIR`` or the folder for temporary files.
    """
    path = os.path.realpath(path)
    beside = path + ".d/run"
    if len(os.fsencode(beside)) + _SOCKET_NAME_BYTES <= _SOCKET_PATH_BYTES:
        make_folder(path + ".d")
        make_folder(beside)
        if _takes_sockets(beside):
            return beside
    return _elsewhere(path)


def _elsewhere(path: str) -> str:
    digest = hashlib.blake2b(os.fsencode(path), digest_size=8).hexdigest()
    xdg = os.environ.get("XDG_RUNTIME_DIR", "")
    base = os.path.join(xdg, "abreast")
    fits = len(os.fsencode(base)) + 1 + len(digest) + _SOCKET_NAME_BYTES <= _SOCKET_PATH_BYTES
    if not (os.path.isabs(xdg) and fits and _is_private(xdg)):
        base = os.path.join(tempfile.gettempdir(), f"abreast-{os.getuid()}")
    for folder in (base, os.path.join(base, digest)):
        make_folder(folder)
        if not _is_private(folder):
            raise StoreError(
                f"{folder} must be a folder that belongs to you and that nobody else can enter "
                "(mode 0700); remove it, or set XDG_RUNTIME_DIR to a private folder"
            )
    return folder


def _is_private(folder: str) -> bool:
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    mode = found.st_mode
    return stat.S_ISDIR(mode) and found.st_uid == os.getuid() and not mode & 0o077


def _takes_sockets(folder: str) -> bool:
    # Short, and nobody else's: two threads may look at once.
    name = os.path.join(folder, f".{os.getpid()}-{threading.get_ident() % 100_000}")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            probe.bind(name)
        os.unlink(name)
    except OSError as error:
        return error.errno in (errno.EADDRINUSE, errno.ENOENT)  # then somebody could bind it
    return True
