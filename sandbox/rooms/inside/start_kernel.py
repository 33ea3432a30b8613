"""Runs inside a room: ipykernel over sockets that were bound and are listened to outside.

The kernel accepts on descriptors that it was handed, so no folder that it can fill holds its sockets.
"""

from __future__ import annotations

import json
import os
from typing import Any

import zmq
from ipykernel.kernelapp import IPKernelApp


def hand_over(listeners: dict[str, int]) -> None:
    """Let every `bind` to a handed address use its descriptor (ZMQ_USE_FD)."""
    plain = zmq.Socket.bind

    def bind(self: zmq.Socket[Any], address: str) -> Any:
        descriptor = listeners.get(address)
        if descriptor is not None:
            self.setsockopt(zmq.USE_FD, descriptor)
        return plain(self, address)

    zmq.Socket.bind = bind  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    hand_over(json.loads(os.environ.pop("ROOM_LISTENERS")))
    IPKernelApp.launch_instance()
