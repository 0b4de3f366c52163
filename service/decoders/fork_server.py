"""The fork server: `python -m service.decoders.fork_server DESCRIPTOR PARENT LOG_LEVEL LOG_FORMAT`.

The fork server is a process with one thread that loads the decoders and decodes nothing itself. Each child is ready
after a fork, without imports, and shares the fork server's memory (copy-on-write).

It replaces multiprocessing's fork server. That server binds a socket in a temporary folder (a read-only container has
none), starts one more process (the resource tracker), and pickles.

Each command is a packet with a number in JSON; the commands are executed in order:

- a number with a descriptor: fork a child that serves the connection of that descriptor;
- a number alone: end the child of that number. The answer is [number, status], with the status of wait(2); null
  if there is no such child.
"""

import gc
import json
import logging
import os
import signal
import socket
import sys

from service import ipc, logs, sandbox
from service.decoders import child, faults, messages
from service.early_exit import ignore_signals
from service.images import preloading
from service.kernel import remove_denied_affinity
from service.memory import heap

log = logging.getLogger("service.decoders.fork_server")  # __name__ is __main__ here

FAILED = 1
STANDARD_ERROR = 2


class Server:
    """The fork server's command loop and its children."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._children: dict[int, int] = {}
        """Number to process id."""

    def run(self) -> None:
        """Execute commands until the other side closes the connection."""
        while True:
            packet, descriptors = ipc.receive(self._connection)
            if not packet:
                return
            number = int(json.loads(packet))
            if descriptors:
                self._fork(number, socket.socket(fileno=descriptors[0]))
            else:
                answer = json.dumps([number, self._end(number)]).encode()
                ipc.send(self._connection, answer)

    def _fork(self, number: int, served: socket.socket) -> None:
        server = os.getpid()
        with served:
            try:
                pid = os.fork()
            except OSError as error:  # the other side gets the end of the child's connection
                log.warning("no decoder can be forked: %s", error.strerror)
                return
            if pid == 0:
                self._connection.close()
                _be_child(server, served)
            self._children[number] = pid

    def _end(self, number: int) -> int | None:
        pid = self._children.pop(number, None)
        if pid is None:
            return None
        os.kill(pid, signal.SIGKILL)  # no effect on an exited child, whose status is kept
        return os.waitpid(pid, 0)[1]


def _be_child(server: int, served: socket.socket) -> None:
    """Run as a child; does not return."""
    status = FAILED
    try:
        ipc.end_with_parent(server)
        memory = child.prepare()
        ipc.send(served, messages.greeting(sandbox.restrict_decoder()))
        child.serve(served, memory)
        status = 0
    except ConnectionError:
        status = 0  # the worker has closed the connection
    except MemoryError:
        status = faults.NO_MEMORY_STATUS
    except BaseException as error:
        # The type alone: the text of an exception may contain image data.
        log.exception("a decoder ended with %s", type(error).__name__, exc_info=False)
    finally:
        child.end(status)


def _reserve_standard_error_for_the_log() -> None:
    """Discard output of libraries to standard error: libjpeg and libtiff describe each damaged image there."""
    if sys.stderr is None:  # closed by the parent
        return
    sys.stderr = os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STANDARD_ERROR)
    os.close(nowhere)


def main() -> None:
    """Serve the connection of the command line, until it or the parent ends."""
    descriptor, parent, level, style = sys.argv[1:]
    ignore_signals()  # a terminal or systemd sends them to every process; the parent ends the fork server
    signal.signal(
        signal.SIGCHLD, signal.SIG_DFL
    )  # if ignored, the kernel would discard the status of a child
    ipc.end_with_parent(int(parent))
    _reserve_standard_error_for_the_log()
    logs.configure(level, style)
    remove_denied_affinity()  # Pillow calls it for each AVIF file
    preloading.import_lazy_modules()
    sandbox.allow_file_growth()  # forbidden by a warm parent; pixels are written to memory files
    heap.keep_free(heap.DECODER_KEEPS)
    # A collection in a child would write to, and so copy, every object that exists now.
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(descriptor)) as connection:
        Server(connection).run()


if __name__ == "__main__":
    main()
