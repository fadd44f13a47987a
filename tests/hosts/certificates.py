# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates of two hosts that trust each other, as an administrator makes them
with openssl; libvirt's and QEMU's places for them."""

import os
import tempfile

from virsh import run

CONFIGURATION = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[host]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = DNS:{name}
"""

# Where libvirt and QEMU look below /etc/pki (libvirt.org/kbase/tlscerts.html, qemu.conf) for
# the authority's certificate, and for a host's certificate and key as server and client.
AUTHORITY = ("CA/cacert.pem", "qemu/ca-cert.pem")
CERTIFICATE = (
    "libvirt/servercert.pem",
    "libvirt/clientcert.pem",
    "qemu/server-cert.pem",
    "qemu/client-cert.pem",
)
KEY = (
    "libvirt/private/serverkey.pem",
    "libvirt/private/clientkey.pem",
    "qemu/server-key.pem",
    "qemu/client-key.pem",
)


def make(names):
    """For each name what a host of that name has: texts by their paths below /etc/pki."""
    with tempfile.TemporaryDirectory() as folder:
        authority = f"{folder}/authority"
        _certificate(authority, "authority", "authority")
        issuer = ["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key"]
        made = {}
        for name in names:
            host = f"{folder}/{name}"
            _certificate(host, name, "host", *issuer)
            made[name] = {
                **dict.fromkeys(AUTHORITY, _read(f"{authority}.pem")),
                **dict.fromkeys(CERTIFICATE, _read(f"{host}.pem")),
                **dict.fromkeys(KEY, _read(f"{host}.key")),
            }
        return made


def _certificate(path, name, extensions, *issuer):
    """Makes PATH.key and PATH.pem for a name, signed by itself or by the issuer."""
    with open(f"{path}.conf", "w") as file:
        file.write(CONFIGURATION.format(name=name))
    run(
        ["openssl", "req", "-x509", "-config", f"{path}.conf", "-extensions", extensions]
        + ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
        # Valid whatever the machines' clocks say.
        + ["-not_before", "20200101000000Z", "-not_after", "20991231235959Z"]
        + ["-keyout", f"{path}.key", "-out", f"{path}.pem", *issuer]
    )


def _read(path):
    with open(path) as file:
        return file.read()


def install(files):
    """Puts a host's files where libvirt and QEMU, an unprivileged user, look for them."""
    for place, text in files.items():
        path = f"/etc/pki/{place}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        if place.startswith("qemu/"):
            os.chmod(path, 0o640)
            run(["chgrp", "libvirt-qemu", path])
