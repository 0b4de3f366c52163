"""Names of signals, for the log and for labels of metrics."""

import signal


def signal_name(number: int) -> str:
    """Name of a signal, as SIGSEGV for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
