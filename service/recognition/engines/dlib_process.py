"""A dlib process: `python -m service.recognition.engines.dlib_process DESCRIPTOR LANDMARKS NETWORK [DETECTOR]`.

DESCRIPTOR is this process's end of a pipe, the others are paths of weights. The dlib engine (dlib.py) starts it.
"""

import os
import select
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # generic for the type checker alone
    from service.recognition.engines.dlib import PipeEnd


def main(descriptor: int, landmarks: str, network: str, detector: str | None = None) -> None:
    """Answer calls (stage, arguments) with (True, result) or (False, reason) until the pipe is closed."""
    # A terminal sends its signals to the whole process group, but only the calling process may end the work.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, args=(descriptor,), daemon=True).start()
    # Imported after the signals are ignored. Dlib is imported here alone: no call of it holds the caller's GIL.
    from service.recognition.engines.dlib_stages import DlibStages

    stages = DlibStages(detector, landmarks, network)
    pipe: PipeEnd = Connection(descriptor)
    while True:
        try:
            stage, arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = True, getattr(stages, stage)(*arguments)
        except Exception as error:  # dlib's own errors, and std::bad_alloc as a MemoryError without a message
            answer = False, str(error) or type(error).__name__
        pipe.send(answer)


def _exit_with_parent(descriptor: int) -> None:
    """Exit when the other end of the pipe is closed, also during a call, which may hold gigabytes for another minute.

    The kernel closes it at any end of the parent. PR_SET_PDEATHSIG would be wrong here: it follows the parent's thread
    that started this process, which may end before.
    """
    poller = select.poll()
    poller.register(descriptor, 0)  # no event but POLLHUP and POLLERR, which are always reported
    poller.poll()
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
