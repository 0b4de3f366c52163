"""The worker process: `python -m service.worker DESCRIPTOR PARENT`, as the web process starts it.

DESCRIPTOR is the worker's end of the connection. PARENT is a process id: this process ends together with it.
"""

import socket
import sys

from service import ipc
from service.early_exit import exit_now, ignore_signals


def main(descriptor: int, parent: int) -> int:
    """Serve until the web process closes the connection, and return the exit status."""
    ipc.end_with_parent(parent)
    # A terminal, and systemd with some settings, signal all processes of a service: the web process ends this one.
    ignore_signals()
    # Imported here, after the signals are ignored; the fork server and this process load their libraries in parallel.
    from service import logs, settings
    from service.decoders.handle import ForkServer
    from service.worker import confinement

    configuration = settings.load()
    logs.configure(configuration.log_level, configuration.log_format)
    restrictions = confinement.confine()
    server = ForkServer(log_level=configuration.log_level, log_format=configuration.log_format)
    server.start()
    from service.worker import assembly

    return assembly.run(socket.socket(fileno=descriptor), configuration, server, restrictions)


if __name__ == "__main__":
    exit_now(main(int(sys.argv[1]), int(sys.argv[2])))
