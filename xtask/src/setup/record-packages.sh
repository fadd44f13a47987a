# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Writes dpkg's database of the tree in the working directory, whose packages were
# unpacked without dpkg: as if all in its apt archive were installed. Makes ./newer.deb
# of the package in $1: a higher version of it with the one file $2 alone.
set -e
database=tree/var/lib/dpkg
echo 1 >$database/info/format
for deb in tree/var/cache/apt/archives/*.deb; do
    name=$(dpkg-deb --field "$deb" Package)
    if [ "$name" = "$1" ]; then
        package=$deb
    fi
    if [ "$(dpkg-deb --field "$deb" Multi-Arch)" = same ]; then
        name=$name:$(dpkg-deb --field "$deb" Architecture)
    fi
    # No field is empty, so that the paragraph has no empty line.
    { dpkg-deb --field "$deb" && printf 'Status: install ok installed\n\n'; } >>$database/status
    dpkg-deb --control "$deb" control
    rm control/control
    for file in control/*; do
        [ ! -e "$file" ] || mv "$file" "$database/info/$name.${file#control/}"
    done
    rm -r control
    dpkg-deb --fsys-tarfile "$deb" | tar --list |
        sed -e 's,/$,,' -e 's,^\.$,/.,' -e 's,^\./,/,' >"$database/info/$name.list"
done
mkdir -p newer/DEBIAN "newer/${2%/*}"
dpkg-deb --field "$package" | sed 's/^Version: .*/&+newer/' >newer/DEBIAN/control
cp "tree/$2" "newer/$2"
dpkg-deb --root-owner-group -Znone --build newer newer.deb
rm -r newer
