"""The first process of a container: makes a tree look as Docker would show it, and becomes the command.

Run by root as a script, in new namespaces (`containers.py`); takes an `Order` as JSON. What it mounts is seen in its
own mount namespace only, and goes with it. Needs the standard library alone.
"""

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from dataclasses import asdict, dataclass, field

SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
"""From <linux/sockios.h> and <linux/if.h>."""


@dataclass(frozen=True)
class Order:
    """What to run, and as what.

    Args:
        root: the folder that becomes `/`.
        directory: the working directory, seen from `root`.
        command: the program and its arguments.
        environment: all of its variables.
        user: the numbers of user and group.
        binds: files of this machine and where they lie in `root`; there has to be a file already.
        read_only: whether no file of the tree can be written; /dev/shm can be, as in Docker.
        network: whether the network of this machine is reached; without, a loopback of its own.
    """

    root: str
    directory: str
    command: list[str]
    environment: dict[str, str]
    user: tuple[int, int] = (0, 0)
    binds: dict[str, str] = field(default_factory=dict)
    read_only: bool = False
    network: bool = True

    def launch(self) -> list[str]:
        """The command line that carries the order out; its only child is the container's first process."""
        own = [
            "--mount",
            "--pid",
            "--ipc",
            "--uts",
            "--fork",
            "--kill-child",
            *([] if self.network else ["--net"]),
        ]
        return [
            "setpriv",
            "--no-new-privs",
            "unshare",
            *own,
            sys.executable,
            "-I",
            __file__,
            json.dumps(asdict(self)),
        ]


def main(order: Order) -> None:
    _mount("--bind", order.root, order.root)
    for source, inside in order.binds.items():
        target = order.root + inside
        _mount("--bind", source, target)
        _mount("--options", "remount,bind,ro", target)
    if order.read_only:
        _mount("--options", "remount,bind,ro", order.root)
    _mount("--types", "proc", "proc", f"{order.root}/proc")
    _mount("--types", "tmpfs", "shm", f"{order.root}/dev/shm")
    if not order.network:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    os.chroot(order.root)
    os.chdir(order.directory)
    user, group = order.user
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    # Looked up in the container's PATH, as Docker does.
    os.execvpe(order.command[0], order.command, order.environment)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    read = json.loads(sys.argv[1])
    main(Order(**{**read, "user": tuple(read["user"])}))
