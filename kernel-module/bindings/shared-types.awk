# SPDX-License-Identifier: GPL-2.0
#
# Reads the kernel crate's own bindings and prints a bindgen option for each
# struct and union that they define, so that ours use the same Rust types.
#
# Types of which the kernel crate has only seen a forward declaration (the body
# is `_unused`) are left out: used by value they would have size 0. Typedefs
# are left out too: bindgen takes a blocked typedef for a type that is not Copy.

/^pub (struct|union) [A-Za-z0-9_]+ *\{/ {
	name = $3
	getline body
	if (body !~ /_unused: *\[u8; 0\]/ && name !~ /^__/)
		print "--blocklist-type " name
	next
}

/^pub (struct|union) [A-Za-z0-9_]+ *\(/ {
	name = $3
	sub(/\(.*/, "", name)
	print "--blocklist-type " name
}
