"""Inter-process communication: packets with descriptors, sealed memory, message channels, parent-death signal."""

from service.ipc.packets import MAXIMUM_PACKET, MalformedPacket, pair, receive, send
from service.ipc.parent_death import end_with_parent
from service.ipc.sealed_memory import SealedMemory, UnsealedMemory

__all__ = [
    "MAXIMUM_PACKET",
    "MalformedPacket",
    "SealedMemory",
    "UnsealedMemory",
    "end_with_parent",
    "pair",
    "receive",
    "send",
]
