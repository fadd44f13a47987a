# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that libvirt moves between two hosts, over TLS, as clusters do it."""

import os
import signal
import subprocess

import certificates
import steady
from domain import FOLDER, Domain
from far import PARTS, be_managed, make_disk
from verdict import check, rounds
from virsh import Connection

# A name of the far host that its certificate does not have.
STRANGER = "stranger"

# Where the shared disk is served (the port that IANA has for nbd).
NBD_PORT = 10809

SHARED = """\
<disk type='network' device='disk'>
  <driver name='qemu' type='raw' cache='none'/>
  <source protocol='nbd' name='disk'><host name='near' port='{port}'/></source>
  <target dev='vda' bus='virtio'/>
</disk>"""

OWN = """\
<disk type='file' device='disk'>
  <driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='vda' bus='virtio'/>
</disk>"""


class FarHost(Connection):
    """libvirt of the far host, over TLS."""

    def __init__(self, far):
        super().__init__(PARTS["far"], machine="far")
        self._far = far

    def read(self, path, position=0):
        """What a file there has from a position on."""
        return self._far.ask("read", None, path, position).encode("latin-1")


class Site:
    """Both hosts with libvirt, from the first case that wants it to the last."""

    def __init__(self, far):
        self._far = far
        self._hosts = None

    def hosts(self):
        """The two, near one first."""
        if self._hosts is None:
            files = certificates.make(PARTS)
            self._far.ask("manage", None, files["far"])
            self._hosts = {"near": be_managed("near", files["near"]), "far": FarHost(self._far)}
        return self._hosts

    def disk(self, path, size):
        """An empty image at the same place of both hosts."""
        make_disk(path, size)
        self._far.ask("make_disk", None, path, size)

    def close(self):
        """Ends the near libvirt; the far host ends its own."""
        if self._hosts is not None:
            self._hosts["near"].close()


class Run:
    """What a case works with."""

    def __init__(self, site, name, accels, rounds):
        self._site = site
        self._name = name.replace("=", "-")
        self._accels = accels
        self.rounds = rounds
        self._flags = 8 if set(accels.values()) == {"rust"} else 4
        self._domains = []
        self._server = None

    def boot(self, disk=None, cpus=1):
        """A domain on the near host whose guest works; `disk` makes its disk."""
        host = self._site.hosts()["near"]
        domain = Domain(
            host,
            self._name,
            self._accels["near"],
            cpus=cpus,
            append=f"kvm-la.steady kvm-la.flags={self._flags}",
            devices=disk() if disk else "",
        )
        self._domains.append(domain)
        domain.start()
        steady.boot(domain)
        return domain

    def move(self, domain, where, *options):
        """Moves a domain to one of the hosts over TLS."""
        domain.migrate(self._site.hosts()[where], self._accels[where], "--tls", *options)

    def there_and_back(self, domain, count, *options, downtime=None):
        """Moves a domain `count` times; it goes on each time. It may be stopped for
        `downtime` milliseconds, if that is given."""
        for _ in rounds(count):
            for where in ("far", "near"):
                if downtime is not None:
                    # Each host's QEMU has a limit of its own.
                    domain.virsh("migrate-setmaxdowntime", str(downtime))
                before = steady.last(domain)
                self.move(domain, where, *options)
                check(domain.state().startswith("running (migrated"), domain.state())
                steady.goes_on(domain, before, after=before.end, cut=True)
                domain.check_backend()

    def path(self, name):
        """Where a file of the case is, on either host."""
        return f"{FOLDER}/{self._name}-{name}"

    def shared_disk(self):
        """A disk that the near host serves to both."""
        path = self.path("shared")
        with open(path, "wb") as file:
            file.truncate(64 << 20)
        subprocess.run(
            ["qemu-nbd", "--fork", f"--pid-file={path}.pid", "--persistent", "--shared=0"]
            + ["--format=raw", "--export-name=disk", f"--port={NBD_PORT}", path],
            check=True,
        )
        with open(f"{path}.pid") as file:
            self._server = int(file.read())
        return SHARED.format(port=NBD_PORT)

    def own_disk(self):
        """A disk that each host has for itself."""
        path = self.path("own.qcow2")
        self._site.disk(path, "64M")
        return OWN.format(path=path)

    def finish(self):
        """Nothing more: what holds of a domain is checked after each move."""

    def close(self):
        """Leaves nothing behind."""
        for domain in self._domains:
            domain.close()
        if self._server is not None:
            os.kill(self._server, signal.SIGTERM)

    def story(self):
        """What helps with a failure."""
        return [line for domain in self._domains for line in domain.story()]


# For how many milliseconds a move may stop the guest. With QEMU's limit of 300 some moves
# do not end.
DOWNTIME = 3000


def shared(run):
    """A guest whose disk both hosts reach, again and again."""
    domain = run.boot(run.shared_disk)
    run.there_and_back(domain, run.rounds, downtime=DOWNTIME)


def shared_smp(run):
    """The same with two CPUs."""
    domain = run.boot(run.shared_disk, cpus=2)
    run.there_and_back(domain, 1, downtime=DOWNTIME)


def copied(run):
    """A guest whose disk moves with it."""
    domain = run.boot(run.own_disk)
    run.there_and_back(domain, 2, "--copy-storage-all", downtime=DOWNTIME)


def stranger(run):
    """A host that cannot show a certificate of its name gets neither commands nor a
    guest, which goes on where it is."""
    with open("/etc/hosts", "a") as file:
        file.write(f"{os.environ['FAR']} {STRANGER}\n")
    domain = run.boot()
    before = steady.last(domain)
    address = PARTS["far"]
    for options, words in (
        ([address.replace("far", STRANGER)], "certificate"),
        (["--migrateuri", f"tcp://{STRANGER}", address], "certificate"),
    ):
        answer = domain.refused("migrate", "--live", "--p2p", "--tls", *options, timeout=120)
        check(words in answer.lower(), answer)
        check(domain.state().startswith("running"), domain.state())
        before = steady.goes_on(domain, before, after=before.end)
    run.there_and_back(domain, 1)


CASES = {
    "libvirt-shared": shared,
    "libvirt-shared-smp=2": shared_smp,
    "libvirt-copied": copied,
    "libvirt-stranger": stranger,
}
