/* SPDX-License-Identifier: GPL-2.0-only */
#include "lib/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"

/* More than anyone writes by hand. */
#define FILE_LIMIT (64 * 1024)

#define SETTINGS_MAX 64 /* a bit for each */

struct reader {
	const struct setting *settings;
	size_t n;
	void *config;
	uint64_t seen; /* a bit for each that this place, the file or the flags, gave */
};

static int parse_number(const struct setting *setting, const char *value, unsigned long *number,
			struct skep_error *error)
{
	size_t digits = strspn(value, "0123456789");

	if (!digits || value[digits] || digits > 10)
		goto refuse;
	*number = strtoul(value, NULL, 10);
	if (*number >= setting->least && *number <= setting->most)
		return 0;
refuse:
	return error_set(error, -EINVAL, "\"%s\" is not a number from %lu to %lu", value,
			 setting->least, setting->most);
}

int settings_u16(void *config, const struct setting *setting, const char *value,
		 struct skep_error *error)
{
	uint16_t *field = (uint16_t *)((char *)config + setting->offset);
	unsigned long number = 0;
	int err = parse_number(setting, value, &number, error);

	if (!err)
		*field = (uint16_t)number;
	return err;
}

int settings_u32(void *config, const struct setting *setting, const char *value,
		 struct skep_error *error)
{
	uint32_t *field = (uint32_t *)((char *)config + setting->offset);
	unsigned long number = 0;
	int err = parse_number(setting, value, &number, error);

	if (!err)
		*field = (uint32_t)number;
	return err;
}

int settings_path(void *config, const struct setting *setting, const char *value,
		  struct skep_error *error)
{
	size_t length = strlen(value);

	if (value[0] != '/')
		return error_set(error, -EINVAL, "\"%s\" is not an absolute path", value);
	if (length > setting->most)
		return error_set(error, -EINVAL, "path is longer than %lu bytes", setting->most);
	memcpy((char *)config + setting->offset, value, length + 1);
	return 0;
}

/* One setting from one place. */
static int set(struct reader *reader, const char *name, const char *value, struct skep_error *error)
{
	for (size_t i = 0; i < reader->n && i < SETTINGS_MAX; i++) {
		const struct setting *setting = &reader->settings[i];
		uint64_t bit = 1ULL << i;

		if (strcmp(setting->name, name) != 0)
			continue;
		if (reader->seen & bit && !setting->clear)
			return error_set(error, -EINVAL, "given twice");
		/* The flags' list replaces the file's. */
		if (!(reader->seen & bit) && setting->clear)
			setting->clear(reader->config);
		reader->seen |= bit;
		return setting->set(reader->config, setting, value, error);
	}
	return error_set(error, -EINVAL, "there is no such setting");
}

/* Cuts a comment and the space around, in place. */
static char *trim(char *line)
{
	size_t length;

	for (char *hash = strchr(line, '#'); hash; hash = strchr(hash + 1, '#'))
		if (hash == line || isspace((unsigned char)hash[-1])) {
			*hash = '\0';
			break;
		}
	line += strspn(line, " \t\r");
	length = strlen(line);
	while (length && isspace((unsigned char)line[length - 1]))
		length--;
	line[length] = '\0';
	return line;
}

static int read_lines(struct reader *reader, const char *path, char *text, size_t size,
		      struct skep_error *error)
{
	unsigned int number = 0;

	if (memchr(text, '\0', size))
		return error_set(error, -EINVAL, "%s: is not a text file", path);
	for (char *next = text; next;) {
		char *line = strsep(&next, "\n"), *value;
		int err;

		number++;
		line = trim(line);
		if (!*line)
			continue;
		value = line + strcspn(line, " \t");
		if (!*value)
			return error_set(error, -EINVAL, "%s:%u: %s: a value is missing", path,
					 number, line);
		*value++ = '\0';
		value += strspn(value, " \t");
		err = set(reader, line, value, error);
		if (err)
			return error_prefix(error, err, "%s:%u: %s", path, number, line);
	}
	return 0;
}

static int read_file(struct reader *reader, const char *named, const char *usual,
		     struct skep_error *error)
{
	const char *path = named ? named : usual;
	char *text = NULL;
	size_t size;
	int err = file_read(path, FILE_LIMIT, &text, &size, error);

	if (err == -ENOENT && !named)
		return 0;
	if (!err)
		err = read_lines(reader, path, text, size, error);
	free(text);
	return err;
}

struct flag {
	char name[32];
	const char *value;
};

/* The flag at argv[*at], which then stands past it. */
static int next_flag(int argc, char *const argv[], int *at, struct flag *flag,
		     struct skep_error *error)
{
	const char *text = argv[(*at)++], *equals;
	size_t length;

	if (strncmp(text, "--", 2) != 0 || !text[2])
		return error_set(error, -EINVAL, "%s: is not a flag", text);
	equals = strchr(text, '=');
	length = equals ? (size_t)(equals - text) - 2 : strlen(text) - 2;
	if (length >= sizeof(flag->name))
		return error_set(error, -EINVAL, "%s: there is no such flag", text);
	memcpy(flag->name, text + 2, length);
	flag->name[length] = '\0';
	if (equals)
		flag->value = equals + 1;
	else if (*at < argc)
		flag->value = argv[(*at)++];
	else
		return error_set(error, -EINVAL, "%s: a value is missing", text);
	return 0;
}

int settings_read(const struct setting *settings, size_t n, void *config, const char *default_file,
		  int argc, char *const argv[], struct skep_error *error)
{
	struct reader reader = {settings, n, config, 0};
	const char *file = NULL;
	struct flag flag = {.value = NULL};
	int err;

	for (int at = 0; at < argc;) {
		err = next_flag(argc, argv, &at, &flag, error);
		if (err)
			return err;
		if (strcmp(flag.name, "config") != 0)
			continue;
		if (file)
			return error_set(error, -EINVAL, "--config: given twice");
		file = flag.value;
	}
	err = read_file(&reader, file, default_file, error);
	if (err)
		return err;
	reader.seen = 0;
	for (int at = 0; at < argc;) {
		err = next_flag(argc, argv, &at, &flag, error);
		if (err)
			return err;
		if (strcmp(flag.name, "config") == 0)
			continue;
		err = set(&reader, flag.name, flag.value, error);
		if (err)
			return error_prefix(error, err, "--%s", flag.name);
	}
	return 0;
}
