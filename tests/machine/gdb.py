# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A client of QEMU's gdb stub: the remote serial protocol (GDB manual, appendix
E) over a Unix socket, and what GDB does with it."""

import select
import socket
import struct
import time

from qemu import Timeout

# Numbers of registers (gdb-xml/loongarch-base64.xml).
PC = 33
REGISTERS = 34


class GdbError(Exception):
    """QEMU answered with an error."""


class Gdb:
    """A debugger that is attached to a QEMU which was started with
    `arguments(path)`."""

    @staticmethod
    def arguments(path):
        """What QEMU needs on its command line."""
        return ["-gdb", f"unix:{path},server=on,wait=off"]

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._bytes = b""
        self.features = self.ask("qSupported:multiprocess-;swbreak+;hwbreak+;vContSupported+")
        # Stopped since the connection was made; why.
        self.reason = self.ask("?")

    # --- packets

    def _more(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self._socket], [], [], left)[0]:
            raise Timeout("the gdb stub says nothing")
        data = self._socket.recv(65536)
        if not data:
            raise GdbError("QEMU closed the debugger's connection")
        self._bytes += data

    def _packet(self, timeout):
        """The next packet; QEMU's acknowledgements are skipped."""
        deadline = time.monotonic() + timeout
        while True:
            start = self._bytes.find(b"$")
            end = self._bytes.find(b"#", start)
            if start >= 0 and end >= 0 and len(self._bytes) >= end + 3:
                body = self._bytes[start + 1 : end]
                said = int(self._bytes[end + 1 : end + 3], 16)
                self._bytes = self._bytes[end + 3 :]
                # QEMU waits for it, and takes nothing else meanwhile.
                self._socket.sendall(b"+")
                if sum(body) & 0xFF != said:
                    raise GdbError(f"wrong checksum of {body!r}")
                return body.decode("latin-1")
            self._more(deadline)

    def send(self, body):
        """Sends a packet and does not wait."""
        data = body.encode("latin-1")
        self._socket.sendall(b"$%s#%02x" % (data, sum(data) & 0xFF))

    def ask(self, body, timeout=60):
        """Sends a packet; the answer."""
        self.send(body)
        return self._packet(timeout)

    def value(self, body):
        """The answer, which must not be an error."""
        answer = self.ask(body)
        if answer.startswith("E") or answer == "":
            raise GdbError(f"{body}: {answer or 'not supported'}")
        return answer

    def check(self, body):
        """The answer must be OK."""
        answer = self.ask(body)
        if answer != "OK":
            raise GdbError(f"{body}: {answer or 'not supported'}")

    # --- the machine while it is stopped

    def threads(self):
        """The threads that there are, one a CPU."""
        answer = self.value("qfThreadInfo")
        threads = []
        while answer.startswith("m"):
            threads += answer[1:].split(",")
            answer = self.value("qsThreadInfo")
        return threads

    def select(self, thread):
        """Registers and memory are this thread's from now on."""
        self.check(f"Hg{thread}")

    def register(self, number):
        """A register of the selected thread. As GDB asks: for all of them, since of a
        thread that has not stopped by itself the stub shows a single one as it was when all
        were last asked for."""
        return self.registers()[number]

    def single_register(self, number):
        """A register of the selected thread, asked for alone."""
        return struct.unpack("<Q", bytes.fromhex(self.value(f"p{number:x}")))[0]

    def set_register(self, number, value):
        """Writes a register of the selected thread, whose registers were asked
        for since the stop, or it is lost."""
        self.registers()
        self.check(f"P{number:x}={struct.pack('<Q', value).hex()}")

    def registers(self):
        """General registers and pc, all at once."""
        words = bytes.fromhex(self.value("g"))
        return list(struct.unpack_from(f"<{REGISTERS}Q", words))

    def read(self, address, length):
        """Memory at a virtual address."""
        return bytes.fromhex(self.value(f"m{address:x},{length:x}"))

    def word(self, address):
        """An instruction."""
        return struct.unpack("<I", self.read(address, 4))[0]

    def write(self, address, data):
        """Writes memory at a virtual address."""
        self.check(f"M{address:x},{len(data):x}:{data.hex()}")

    def insert(self, address, kind=0):
        """Puts in a breakpoint; kind 0 is a software breakpoint."""
        self.check(f"Z{kind},{address:x},4")

    def remove(self, address, kind=0):
        """Takes a breakpoint out."""
        self.check(f"z{kind},{address:x},4")

    # --- running

    def go(self, action="c"):
        """Lets all threads go on, or does another action of vCont."""
        self.send(f"vCont;{action}")

    def interrupt(self):
        """Stops the machine."""
        self._socket.sendall(b"\x03")

    def stop(self, timeout=60):
        """Waits for a stop: signal and thread."""
        packet = self._packet(timeout)
        if not packet.startswith("T"):
            raise GdbError(f"not a stop: {packet}")
        thread = ""
        for field in packet[3:].split(";"):
            name, _, value = field.partition(":")
            if name == "thread":
                thread = value
        return int(packet[1:3], 16), thread

    def runs(self, seconds):
        """Whether the machine runs on for so long without a stop."""
        try:
            self.stop(seconds)
        except Timeout:
            return True
        return False

    def detach(self):
        """Goes away: breakpoints are taken out and the machine runs."""
        self.check("D")
        self.close()

    def close(self):
        """Goes away without a word."""
        self._socket.close()
