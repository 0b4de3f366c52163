"""HTTP/1.1 connections: acceptance, framing, hang-ups, lingering close, and bounds on idle ones."""

from service.web.connections.acceptor import Acceptor
from service.web.connections.connection import CLOSING, CONNECTION, HUNG_UP, READ_AT_ONCE, connection_class
from service.web.connections.hang_ups import HangUps
from service.web.connections.open_connections import OpenConnections
from service.web.connections.tls import TlsTransport

__all__ = [
    "CLOSING",
    "CONNECTION",
    "HUNG_UP",
    "READ_AT_ONCE",
    "Acceptor",
    "HangUps",
    "OpenConnections",
    "TlsTransport",
    "connection_class",
]
