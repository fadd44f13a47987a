# SPDX-License-Identifier: GPL-2.0
#
# Reads the kernel crate's bindings and prints a constant for each enumerator below,
# so that the module spells them one way. A kernel's bindgen parameters make an enum
# an alias of an integer, with constants TYPE_ENUMERATOR (hrtimer_restart until Linux
# 7.2), or a type of its own, with constants TYPE::ENUMERATOR (since 7.3).

BEGIN {
	type_of["HRTIMER_NORESTART"] = "hrtimer_restart"
	type_of["HRTIMER_MODE_ABS_PINNED_HARD"] = "hrtimer_mode"
}

$1 == "pub" && $2 == "const" {
	type = $4
	name = path = substr($3, 1, length($3) - 1)
	if (index(name, type "_") == 1)
		name = substr(name, length(type) + 2)
	else
		path = type "::" name
	if (name in type_of && type_of[name] == type) {
		printf "pub(crate) const %s: %s = %s;\n", name, type, path
		delete type_of[name]
	}
}

END {
	for (name in type_of) {
		printf "%s: no enumerator %s of %s\n", FILENAME, name, type_of[name] >"/dev/stderr"
		failed = 1
	}
	exit failed
}
