// SPDX-License-Identifier: Apache-2.0 OR MIT

/*
 * The bare-metal programs on a real machine, started by its firmware: one line for each
 * check on the EFI console. Memory is EFI's to give: a program whose memory firmware keeps
 * is skipped. Nothing is written to a disk or a variable; what a program did to the CPU is
 * undone before the next line is printed. docs/conformance.md explains its output.
 */

/* Nothing is found by way of a table of addresses: there is no dynamic linker to fill it. */
#pragma GCC visibility push(hidden)

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

/* UEFI 2.10, chapters 4, 7, 9 and 12; only what is used here has a name. */
struct text_output {
	void *reset;
	u64 (*output_string)(struct text_output *self, const u16 *text);
};

struct boot_services {
	u64 header[3];
	void *raise_tpl, *restore_tpl;
	u64 (*allocate_pages)(u32 how, u32 memory_type, u64 pages, u64 *address);
	u64 (*free_pages)(u64 address, u64 pages);
	void *memory_map_to_check_event[9];
	void *install_reinstall_uninstall[3];
	u64 (*handle_protocol)(void *handle, const void *guid, void **interface);
	void *reserved_to_get_next_monotonic_count[11];
	u64 (*stall)(u64 microseconds);
	u64 (*set_watchdog_timer)(u64 seconds, u64 code, u64 size, u16 *data);
};

struct system_table {
	u64 header[3];
	void *vendor;
	u64 revision;
	void *in_handle, *in, *out_handle;
	struct text_output *out;
	void *error_handle, *error, *runtime;
	struct boot_services *boot;
};

struct loaded_image {
	u64 revision;
	void *parent;
	struct system_table *system;
	void *device, *path, *reserved;
	u32 options_size;
	const u16 *options;
};

static const u32 loaded_image_guid[4] = {
	0x5b1b31a1, 0x11d29562, 0xa0003f8e, 0x3b7269c9,
};

enum { ANY_PAGES = 0, AT_ADDRESS = 2, LOADER_CODE = 1, PAGE = 4096 };

/* The table that system-tests writes, in its order of features. */
struct program {
	u32 name, image, size;
	u32 needs, without;
	u32 memory_end;
};
extern const u8 programs[];
extern const u32 program_count, feature_count;
extern const char feature_names[];

/* What an image begins with (include/rt.S). */
struct image {
	u32 jump[2];
	u64 comes_back_to;
	u64 console;
	u64 size;
};
struct console {
	u64 count, padding;
	char text[0x10000];
};

void enter(struct image *image);

static struct system_table *table;

/* RAM that programs use at fixed addresses, in pieces. */
enum { PIECE = 0x200000, RAM_START = 0x04000000, RAM_END = 0x0a000000 };
static u8 ours[(RAM_END - RAM_START) / PIECE];

/* For the compiler. */
void *memset(void *to, int value, u64 size)
{
	u8 *byte = to;

	while (size--)
		*byte++ = value;
	return to;
}

void *memcpy(void *to, const void *from, u64 size)
{
	u8 *out = to;
	const u8 *in = from;

	while (size--)
		*out++ = *in++;
	return to;
}

static void put(char character)
{
	u16 text[3] = { (u8)character, 0, 0 };

	if (character == '\n') {
		text[0] = '\r';
		text[1] = '\n';
	}
	table->out->output_string(table->out, text);
}

static void print(const char *text)
{
	while (*text)
		put(*text++);
}

static int same(const char *a, const char *b, u64 length)
{
	while (length--)
		if (*a++ != *b++)
			return 0;
	return 1;
}

static u64 length(const char *text)
{
	u64 count = 0;

	while (text[count])
		count++;
	return count;
}

/* Whether one of the words with which this was started is in the name, or there is none. */
static int chosen(const struct loaded_image *self, const char *name)
{
	u64 size = self->options_size / 2, start = 0, words = 0;

	for (u64 at = 0; at <= size; at++) {
		int ends = at == size || self->options[at] <= ' ';
		u64 long_is = at - start;

		if (!ends)
			continue;
		/* The shell's first word is this program's own name. */
		if (long_is && words++ > 0)
			for (u64 place = 0; name[place]; place++) {
				u64 equal = 0;

				while (equal < long_is &&
				       (u8)name[place + equal] ==
					       self->options[start + equal])
					equal++;
				if (equal == long_is)
					return 1;
			}
		start = at + 1;
	}
	return words < 2;
}

/* Runs an image; where it printed, or none if there is no memory for it. */
static struct console *run(const struct program *program, u64 *memory, u64 *pages)
{
	const struct image *source = (const void *)(programs + program->image);
	struct image *image;
	u64 address;

	/* Where it was linked it began at a multiple of 64 KiB. */
	*pages = (source->size + 0x10000) / PAGE + 1;
	if (table->boot->allocate_pages(ANY_PAGES, LOADER_CODE, *pages, memory))
		return 0;
	address = (*memory + 0xffff) & ~0xffffUL;
	image = (void *)address;
	memcpy(image, source, program->size);
	memset((u8 *)image + program->size, 0, source->size - program->size);
	enter(image);
	return (void *)(address + source->console);
}

/* How much of the text there is, whatever a program has written. */
static u64 printed(const struct console *console)
{
	if (console->count > sizeof(console->text))
		return sizeof(console->text);
	return console->count;
}

static void print_console(const struct console *console)
{
	u64 count = printed(console);

	if (count < console->count)
		print("it printed too much\n");
	for (u64 at = 0; at < count; at++)
		put(console->text[at]);
}

/* The features that the first program shows, a bit for each. */
static u32 features(const struct console *console)
{
	u32 found = 0;
	u64 count = printed(console);
	const char *name = feature_names;

	for (u32 feature = 0; feature < feature_count; feature++) {
		u64 size = length(name);

		for (u64 at = 0; at + size + 9 < count; at++)
			if (same(console->text + at, "val ", 4) &&
			    same(console->text + at + 4, name, size) &&
			    same(console->text + at + 4 + size, " 0x", 3) &&
			    console->text[at + 7 + size] != '0')
				found |= 1U << feature;
		name += size + 1;
	}
	return found;
}

static void skip(const char *name, const char *why, const char *what)
{
	print("skipped ");
	print(name);
	print(": ");
	print(why);
	print(what);
	print("\n");
}

/* Prints why a program cannot run, if it cannot. */
static int skipped(const struct program *program, u32 found)
{
	const char *name = (const char *)programs + program->name;
	const char *feature = feature_names;

	for (u32 bit = 0; bit < feature_count; bit++) {
		if (program->needs & ~found & 1U << bit) {
			skip(name, "no ", feature);
			return 1;
		}
		if (program->without & found & 1U << bit) {
			skip(name, "it is for a machine without ", feature);
			return 1;
		}
		feature += length(feature) + 1;
	}
	for (u64 at = RAM_START; at < program->memory_end; at += PIECE)
		if (!ours[(at - RAM_START) / PIECE]) {
			skip(name, "firmware keeps memory that it uses", "");
			return 1;
		}
	return 0;
}

u64 efi_main(void *handle, struct system_table *system)
{
	const struct program *list = (const void *)programs;
	const struct loaded_image *self;
	u32 found = 0;

	table = system;
	if (table->boot->handle_protocol(handle, loaded_image_guid, (void **)&self))
		return 1;
	/* No reset while a program runs. */
	table->boot->set_watchdog_timer(0, 0, 0, 0);
	for (u64 at = RAM_START; at < RAM_END; at += PIECE) {
		u64 address = at;

		ours[(at - RAM_START) / PIECE] = !table->boot->allocate_pages(
			AT_ADDRESS, LOADER_CODE, PIECE / PAGE, &address);
	}
	print("conformance begin\n");
	for (u32 index = 0; index < program_count; index++) {
		const struct program *program = list + index;
		const char *name = (const char *)programs + program->name;
		struct console *console;
		u64 memory = 0, pages = 0;

		if (index && (!chosen(self, name) || skipped(program, found)))
			continue;
		/* Before it runs: a machine that stops here says where. */
		print("program ");
		print(name);
		print("\n");
		console = run(program, &memory, &pages);
		if (!console) {
			skip(name, "no memory", "");
			continue;
		}
		print_console(console);
		if (!index)
			found = features(console);
		table->boot->free_pages(memory, pages);
	}
	for (u64 at = RAM_START; at < RAM_END; at += PIECE)
		if (ours[(at - RAM_START) / PIECE])
			table->boot->free_pages(at, PIECE / PAGE);
	print("conformance end\n");
	return 0;
}
