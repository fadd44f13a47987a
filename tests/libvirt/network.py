# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests in a network of libvirt's."""

import contextlib
import os
import re

from case import case, check
from hotplug import appears

BRIDGED = "<interface type='network'><source network='default'/><model type='virtio'/></interface>"


@contextlib.contextmanager
def network(run):
    """libvirt's network `default`, while a case needs it."""
    run.host.virsh("net-define", "/usr/share/libvirt/networks/default.xml")
    run.host.virsh("net-start", "default")
    try:
        yield
    finally:
        run.host.virsh("net-destroy", "default")
        run.host.virsh("net-undefine", "default")


def address(shell):
    """The address that a guest gets for its network card."""
    appears(shell, "network card", "[ -e /sys/class/net/eth0 ]")
    shell.run("ip link set eth0 up")
    shell.run(
        "echo '#!/bin/sh' >/dhcp && "
        "echo '[ \"$1\" != bound ] || ip addr add $ip/24 dev eth0' >>/dhcp && "
        "chmod +x /dhcp && udhcpc -i eth0 -n -q -t 10 -s /dhcp"
    )
    found = re.search(r"inet (192\.168\.122\.\d+)/", shell.run("ip addr show eth0"))
    check(found, "the guest has no address")
    return found[1]


@case("network-default")
def network_default(run):
    """libvirt's own network: the guest gets an address from dnsmasq and reaches the
    host by a tap device on a bridge, with vhost-net."""
    with network(run):
        domain = run.domain(devices=BRIDGED).start()
        shell = domain.shell()
        own = address(shell)
        shell.run("ping -c 3 -W 5 192.168.122.1")
        lease = run.host.virsh("net-dhcp-leases", "default")
        check(own in lease, f"no lease of {own}: {lease}")
        check("rx_bytes" in domain.virsh("domifstat", interface(domain)), "no figures")
        check("vhost" in open_files(domain), "QEMU does not use vhost-net")


@case("network-guests")
def network_guests(run):
    """Two guests on the bridge: packets of all sizes and a file go from one to the
    other by two tap devices with vhost-net."""
    with network(run):
        domains = [run.domain(suffix=f"-{i}", devices=BRIDGED).start() for i in (0, 1)]
        server, client = (domain.shell() for domain in domains)
        there, own = address(server), address(client)
        check(there != own, f"both guests are {own}")
        for size in (0, 56, 1472, 8000):
            client.run(f"ping -c 3 -W 5 -s {size} {there}")
        server.run("mkdir /www && head -c 8388608 /dev/urandom >/www/file && httpd -h /www")
        sent = server.run("sha256sum </www/file").split()[0]
        got = client.run(f"wget -q -O - http://{there}/file | sha256sum", 120).split()[0]
        check(got == sent, f"{sent} was sent, {got} came")
        for domain in domains:
            figures = domain.virsh("domifstat", interface(domain))
            moved = sum(int(n) for n in re.findall(r"[rt]x_bytes (\d+)", figures))
            check(moved > 8 << 20, f"less than the file went through {domain.name}: {figures}")
            check("vhost" in open_files(domain), f"{domain.name} does not use vhost-net")


def interface(domain):
    """The host's end of the domain's network card."""
    return domain.virsh("domiflist").split()[0]


def open_files(domain):
    """The files that QEMU has open."""
    folder = f"/proc/{domain.pid()}/fd"
    return " ".join(os.readlink(f"{folder}/{name}") for name in os.listdir(folder))
