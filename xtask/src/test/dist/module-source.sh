# SPDX-License-Identifier: Apache-2.0 OR MIT
# Installs kvm-la-dkms from /kvm-la/packages into the toolchain root, which has the
# compilers that the kernel was built with, has DKMS build the module, upgrades and
# takes it away. The module is left in /kvm-la/packages.
# Arguments: the versions of old.deb and new.deb; `whole` for the kernel's own tree as
# its headers, `headers` for what packages of headers hold.
old=$1
new=$2
kind=$3
release=$(cat /kvm-la/build/include/config/kernel.release)
headers=/lib/modules/$release/build
module=/lib/modules/$release/updates/dkms/kvm.ko

# DKMS itself is from the packaging root. It asks programs, not the environment, what
# it builds for.
sed -e '/^.usr.share/d' -e 's,^/,./,' /kvm-la/packaging/var/lib/dpkg/info/dkms.list >/tmp/dkms
tar --create --no-recursion --directory=/kvm-la/packaging --files-from=/tmp/dkms --file=- |
    tar --extract --directory=/ --file=-
cat >/usr/local/bin/uname <<END
#!/bin/sh
case \$* in
-m) echo loongarch64 ;;
-r) echo $release ;;
*) exec /usr/bin/uname "\$@" ;;
esac
END
printf '#!/bin/sh\nexec loongarch64-linux-gnu-strip "$@"\n' >/usr/local/bin/strip
chmod +x /usr/local/bin/uname /usr/local/bin/strip
export CROSS_COMPILE=loongarch64-linux-gnu-

# The root's settings leave documentation out.
rm -f /etc/dpkg/dpkg.cfg.d/99mmdebstrap

mkdir -p "/lib/modules/$release"
if [ "$kind" = whole ]; then
    ln -s /kvm-la/build "$headers"
else
    # What `make bindeb-pkg` packs.
    mkdir -p "$headers"
    (cd /kvm-la/build && srctree=/kvm-la/linux SRCARCH=loongarch CC=gcc HOSTCC=gcc MAKE=make \
        sh /kvm-la/linux/scripts/package/install-extmod-build "$headers")
    cp /kvm-la/build/.config "$headers/"
fi
# A kernel that cannot take the module.
mkdir -p /lib/modules/built-in/build/include
sed s/CONFIG_KVM=m/CONFIG_KVM=y/ /kvm-la/build/.config >/lib/modules/built-in/build/.config
depmod "$release" 2>/dev/null

# The toolchain root's packages satisfy the others.
dpkg_install() {
    dpkg --install --ignore-depends=dkms "$1" || {
        cat /var/lib/dkms/kvm-la/*/build/make.log
        return 1
    }
}
is_module_of() {
    says "^vermagic: *$release " modinfo "$module" && says '^name: *kvm$' modinfo "$module" &&
        says "kvm-la/$1, $release, loongarch64: installed" dkms status
}

files >/tmp/before
check install dpkg_install /kvm-la/packages/old.deb
check installed is_installed kvm-la-dkms "$old"
check unharmed is_unharmed kvm-la-dkms
check module-is-built is_module_of "$old"
check module-is-found says "^filename: *$module" modinfo -k "$release" kvm
cp "$module" /kvm-la/packages/
check built-in-is-passed-over [ ! -e /lib/modules/built-in/updates ]
if [ "$kind" = whole ]; then
    check upgrade dpkg_install /kvm-la/packages/new.deb
    check upgraded is_installed kvm-la-dkms "$new"
    check module-is-upgraded is_module_of "$new"
    check old-is-gone [ ! -e "/usr/src/kvm-la-$old" ]
fi
check remove dpkg --remove kvm-la-dkms
check module-is-removed [ ! -e "$module" ]
check purge dpkg --purge kvm-la-dkms
check nothing-left nothing_is_left kvm-la-dkms
