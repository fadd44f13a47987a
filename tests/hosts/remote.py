# SPDX-License-Identifier: GPL-2.0-or-later
"""The far host and its QEMUs, as the near host uses them."""

import collections
import json
import os
import socket
import time

from far import PORT
from qemu import PATIENCE


class RemoteError(Exception):
    """The far host could not do what it was asked for."""


class Far:
    """The far host."""

    def __init__(self):
        self.gone = False
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._connection = socket.create_connection((os.environ["FAR"], PORT), 1)
                break
            except OSError:
                # It may still be booting.
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.1)
        self._connection.settimeout(2 * PATIENCE)
        self._answers = self._connection.makefile()

    def ask(self, operation, number=None, *args, **options):
        """Has the agent there do something; its answer."""
        request = json.dumps([operation, number, args, options])
        self._connection.sendall(request.encode() + b"\n")
        answer = json.loads(self._answers.readline() or '{"error": "the far host hung up"}')
        if "error" in answer:
            raise RemoteError(answer["error"])
        return answer["return"]

    def leave(self):
        """Ends the host; its QEMUs are gone with it."""
        self.gone = True
        self._connection.sendall(json.dumps(["leave", None, [], {}]).encode() + b"\n")


class RemoteQemu:
    """A QEMU on the far host, with the methods of `qemu.Qemu`."""

    def __init__(self, far, accel, smp, **options):
        self._far = far
        self.accel = accel
        self.cpus = smp
        self._ended = False
        self._texts = {}
        # How much of each text `steady.sound` has looked at.
        self.sound_until = collections.Counter()
        self._number = far.ask("start", smp=smp, **options)

    def __getattr__(self, method):
        return lambda *args, **options: self._far.ask(
            "call", self._number, method, *args, **options
        )

    @property
    def closed(self):
        """Whether it has ended, by itself or with its host."""
        return self._ended or self._far.gone

    def text(self, stream):
        """All that the guest has written to a stream so far; only what is new comes over
        the wire."""
        text = self._texts.get(stream, "")
        text += self._far.ask("text", self._number, stream, len(text))
        self._texts[stream] = text
        return text

    def kernel(self):
        """All that the guest's kernel printed so far."""
        return self.text("kernel")

    def console(self):
        """All that the guest's init and programs printed so far."""
        return self.text("console")

    def quit(self):
        """Ends QEMU, which must exit with status 0."""
        self._far.ask("call", self._number, "quit")
        self._ended = True

    def close(self):
        """Ends QEMU by all means."""
        if not self.closed:
            self._ended = True
            self._far.ask("call", self._number, "close")
