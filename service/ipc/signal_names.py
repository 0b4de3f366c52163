"""Names of signals, for the log and for labels of metrics."""

import signal


def signal_name(number: int) -> str:
    """SIGSEGV for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:  # of the real-time signals
        return f"signal {number}"
