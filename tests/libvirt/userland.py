# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian programs in a guest: it reads the host's own userland."""

# The host's disk, as a domain's.
USERLAND = """\
<disk type='block' device='disk'>
  <driver name='qemu' type='raw'/><source dev='/dev/vda'/><target dev='vda' bus='virtio'/>
  <readonly/>
</disk>"""


def enter_userland(shell):
    """The host's userland becomes a folder of the guest, changes in its memory."""
    shell.run(
        "hostname kvm-guest && mkdir -p /lower /changes /new && mount -t ext2 -o ro /dev/vda /lower"
        " && mount -t tmpfs tmpfs /changes && mkdir /changes/up /changes/work"
        " && mount -t overlay -o lowerdir=/lower,upperdir=/changes/up,workdir=/changes/work"
        " overlay /new"
        " && mount --rbind /dev /new/dev && mount --rbind /proc /new/proc"
        " && mount --rbind /sys /new/sys"
        " && mount -t tmpfs tmpfs /new/run && mkdir -p /new/run/lock"
    )
    # The programs that an agent calls are the init system's and util-linux-extra's; here
    # they are busybox.
    for program, command in (("shutdown", "poweroff -f"), ("hwclock", 'hwclock "$@"')):
        shell.run(
            f"printf '#!/bin/sh\\nexec busybox {command}\\n' >/new/usr/sbin/{program}"
            f" && chmod +x /new/usr/sbin/{program}"
        )
