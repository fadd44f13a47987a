# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A QEMU with a guest, driven over QMP, on a KVM host."""

import collections
import errno
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time

LAUNCHER = "/share/qemu-kvm-la"
QEMU = "qemu-system-loongarch64"

# Copies in memory: the shared folder is slow, and every guest reads them.
KERNEL = "/tmp/guest.kernel"
INITRD = "/tmp/guest.initrd"

# What the Rust backend says of each CPU that it starts to run.
SERVES = "runs in this backend"

# Kernel parameters of every guest: its kernel prints on the first serial port, its
# init and programs say and read lines on the second, where nothing cuts them.
PARAMETERS = "console=ttyS0 panic=-1 kvm-la.say=ttyS1"

# Seconds of the machine, that is 1e9 instructions of each CPU.
PATIENCE = 30


class QmpError(Exception):
    """QEMU refused a command."""

    def __init__(self, command, error):
        super().__init__(f"{command}: {error.get('desc')}")
        self.command = command
        self.kind = error.get("class")
        self.desc = error.get("desc")


class QemuDied(Exception):
    """QEMU ended when it should not have."""


class Timeout(Exception):
    """Something did not happen in time."""


class Qemu:
    """A running QEMU. `accel` is "rust" or "upstream"; `args` and `extra` are
    further words of its command line. The guest runs the steady workload, see
    tests/guest/steady, if `append` does not say otherwise. With `command_line` QEMU
    gets these words only, for what needs no guest."""

    def __init__(
        self,
        accel,
        *args,
        smp="1",
        append="",
        incoming=None,
        extra=(),
        memory=256,
        accel_options="",
        devices=True,
        paused=False,
        pass_fds=(),
        command_line=None,
    ):
        self.accel = accel
        # "2" or "cpus=1,maxcpus=4".
        self.cpus = int(str(smp).split(",")[0].removeprefix("cpus="))
        self.dir = tempfile.mkdtemp(prefix="qemu-")
        self._answers = b""
        self._events = []
        self._texts = collections.defaultdict(str)
        # How much of each stream's file is in its text.
        self._seen = collections.Counter()
        # How much of each text `steady.sound` has looked at.
        self.sound_until = collections.Counter()
        self._served = self.cpus
        self._inputs = {}
        self.closed = False

        ours, theirs = socket.socketpair()
        self._qmp = ours
        command = [LAUNCHER if accel == "rust" else QEMU]
        command += ["-nodefaults", "-display", "none"]
        command += ["-chardev", f"socket,id=qmp,fd={theirs.fileno()}"]
        command += ["-mon", "chardev=qmp,mode=control"]
        if command_line is not None:
            self._served = 0
            command += command_line
        else:
            command += self._machine(smp, memory, accel_options, devices)
            command += ["-append", f"{PARAMETERS} kvm-la.steady {append}".strip()]
        if incoming is not None:
            command += ["-incoming", incoming]
        if paused:
            command += ["-S"]
        command += [*args, *extra]
        self.command = command
        self._errors = open(os.path.join(self.dir, "stderr"), "w+b")
        environment = dict(os.environ)
        # By what the backend says then, it is known whether it serves.
        environment["KVM_LA_LOG"] = "info"
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._errors,
            stderr=self._errors,
            pass_fds=(theirs.fileno(), *pass_fds),
            env=environment,
        )
        theirs.close()
        try:
            if "QMP" not in self._read(time.monotonic() + PATIENCE):
                raise QemuDied("QEMU does not speak QMP")
            self.qmp("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def _machine(self, smp, memory, accel_options, devices):
        """The words for a machine with a guest."""
        words = ["-accel", "kvm" + ("," + accel_options if accel_options else "")]
        words += ["-machine", "virt", "-cpu", "max", "-smp", str(smp), "-m", f"{memory}M"]
        for name in ("kernel", "console"):
            words += self._stream(name) + ["-serial", f"chardev:{name}"]
        if devices:
            words += ["-device", "virtio-serial-pci,id=serial0"]
            words += self._stream("port")
            words += ["-device", "virtserialport,chardev=port,name=kvm-la.port"]
        return words + ["-kernel", KERNEL, "-initrd", INITRD]

    def _stream(self, name):
        """A character device: what the guest writes goes into a file, what
        `send` writes comes out of a pipe."""
        path = os.path.join(self.dir, name)
        os.mkfifo(path + ".in")
        # For reading too, so that QEMU's end is never the only one.
        self._inputs[name] = os.open(path + ".in", os.O_RDWR)
        return ["-chardev", f"file,id={name},path={path},input-path={path}.in"]

    # --- QMP

    def _read(self, deadline):
        """The next message of QEMU."""
        while b"\n" not in self._answers:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout("QEMU says nothing")
            ready, _, _ = select.select([self._qmp], [], [], left)
            if not ready:
                continue
            try:
                data = self._qmp.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                self._wait_for_end()
                raise QemuDied(self._end())
            self._answers += data
        line, self._answers = self._answers.split(b"\n", 1)
        return json.loads(line)

    def qmp(self, command, timeout=PATIENCE, **arguments):
        """Runs a command; underscores in argument names stand for dashes."""
        message = {"execute": command}
        if arguments:
            message["arguments"] = {
                name.replace("_", "-"): value for name, value in arguments.items()
            }
        try:
            self._qmp.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            self._wait_for_end()
            raise QemuDied(self._end()) from None
        deadline = time.monotonic() + timeout
        while True:
            try:
                answer = self._read(deadline)
            except Timeout:
                raise Timeout(f"{command}: no answer in {timeout} s") from None
            if "event" in answer:
                self._events.append(answer)
            elif "error" in answer:
                raise QmpError(command, answer["error"])
            elif "return" in answer:
                return answer["return"]

    def hmp(self, line, timeout=PATIENCE):
        """Runs a line of the human monitor; what it printed."""
        answer = self.qmp("human-monitor-command", timeout, command_line=line)
        return answer.replace("\r", "")

    def event(self, name, timeout=PATIENCE):
        """The next event of this name, which is then used up."""
        deadline = time.monotonic() + timeout
        while True:
            for i, event in enumerate(self._events):
                if event["event"] == name:
                    return self._events.pop(i)
            try:
                answer = self._read(deadline)
            except Timeout:
                raise Timeout(f"no event {name} in {timeout} s") from None
            if "event" in answer:
                self._events.append(answer)

    def events(self, name):
        """How many events of this name came and were not used up."""
        self.qmp("query-name")
        return sum(event["event"] == name for event in self._events)

    def status(self):
        """The run state."""
        return self.qmp("query-status")["status"]

    # --- the guest's serial ports and its port of virtio-serial

    def send(self, text, stream="console"):
        """Sends text to the guest."""
        os.write(self._inputs[stream], text.encode())

    def untaken(self, stream):
        """How many bytes of what was sent QEMU has not taken yet."""
        answer = fcntl.ioctl(self._inputs[stream], termios.FIONREAD, b"\0" * 4)
        return struct.unpack("i", answer)[0]

    def text(self, stream):
        """All that the guest has written to a stream so far."""
        with open(os.path.join(self.dir, stream), "rb") as file:
            file.seek(self._seen[stream])
            more = file.read()
        if more:
            self._seen[stream] += len(more)
            self._texts[stream] += more.decode("latin-1").replace("\r", "")
        return self._texts[stream]

    def kernel(self):
        """All that the guest's kernel printed so far."""
        return self.text("kernel")

    def console(self):
        """All that the guest's init and programs printed so far."""
        return self.text("console")

    def expect(self, text, timeout=PATIENCE, after=0, stream="console"):
        """Waits until a text came by a stream; the position behind it."""
        deadline = time.monotonic() + timeout
        while True:
            at = self.text(stream).find(text, after)
            if at >= 0:
                return at + len(text)
            self.check_alive()
            if time.monotonic() >= deadline:
                raise Timeout(f"no {text!r} in {timeout} s; {self.tail()}")
            time.sleep(0.02)

    def tail(self, lines=8):
        """The end of what the guest printed, for messages."""
        return "; ".join(
            f"the end of the {stream}: " + " | ".join(text.rstrip("\n").split("\n")[-lines:])
            for stream, text in (("kernel", self.kernel()), ("console", self.console()))
        )

    # --- its end

    def errors(self):
        """What QEMU printed."""
        with open(self._errors.name, "rb") as file:
            return file.read().decode("utf-8", "replace")

    def complaints(self):
        """What QEMU printed beside what the backend says of itself, and what it
        says of options that later versions will not have and of more CPUs than the
        host has."""
        return [
            line
            for line in self.errors().splitlines()
            if not line.startswith("accel-kvm-la: info")
            and "is deprecated" not in line
            and "exceeds the recommended cpus supported by KVM" not in line
        ]

    def check_alive(self):
        """Raises if QEMU has ended."""
        if self.process.poll() is not None:
            raise QemuDied(self._end())

    def _wait_for_end(self):
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            pass

    def _end(self):
        status = self.process.poll()
        if status is None:
            said = "QEMU closed its monitor"
        elif status < 0:
            said = f"QEMU died of {signal.Signals(-status).name}"
        else:
            said = f"QEMU ended with status {status}"
        complaints = " | ".join(self.complaints()[-8:])
        return f"{said}, stderr: {complaints or 'empty'}"

    def expect_served(self, cpus):
        """From now on the right backend has started this many CPUs: for guests
        whose CPUs are plugged and unplugged."""
        self._served = cpus

    def check_backend(self):
        """Raises unless the backend that was asked for ran every CPU."""
        served = self.errors().count(SERVES)
        wanted = self._served if self.accel == "rust" else 0
        if served != wanted:
            raise QemuDied(f"the Rust backend ran {served} CPUs, not {wanted}")

    def wait(self, timeout=PATIENCE):
        """Waits until QEMU ends; its status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"QEMU does not end in {timeout} s") from None

    def quit(self, timeout=PATIENCE):
        """Ends QEMU, which must exit with status 0."""
        self.qmp("quit")
        status = self.wait(timeout)
        if status != 0:
            raise QemuDied(self._end())
        self.check_backend()
        self.close()

    def close(self):
        """Ends QEMU by all means and removes its files."""
        if self.closed:
            return
        self.closed = True
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._qmp.close()
        for descriptor in self._inputs.values():
            os.close(descriptor)
        self._errors.close()
        shutil.rmtree(self.dir, ignore_errors=True)
