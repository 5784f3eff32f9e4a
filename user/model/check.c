/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TIME_MAX_MS 253402300799999LL

static size_t where_text(const struct where *where, char *buffer, size_t size)
{
	size_t used = 0;

	if (!where)
		return 0;
	used = where_text(where->up, buffer, size);
	snprintf(buffer + used, size - used, "%s%s", used ? "." : "", where->name);
	used += strlen(buffer + used);
	if (where->index != NO_INDEX)
		snprintf(buffer + used, size - used, "[%zu]", where->index);
	return used + strlen(buffer + used);
}

int check_fail(const struct where *where, struct skep_error *error, const char *format, ...)
{
	char place[256] = "", text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	where_text(where, place, sizeof(place));
	error_set(error, -EINVAL, "%s: %s", where ? place : "the model", text);
	return -EINVAL;
}

static const char *type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		return "null";
	}
	return "unknown";
}

const char *check_quote(const char *text, size_t length, char buffer[QUOTE_SIZE])
{
	size_t shown = length < QUOTE_SIZE - 6 ? length : QUOTE_SIZE - 6;

	buffer[0] = '"';
	for (size_t i = 0; i < shown; i++)
		buffer[1 + i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	snprintf(buffer + 1 + shown, QUOTE_SIZE - 1 - shown, "%s\"", shown < length ? "..." : "");
	return buffer;
}

static int fail_unknown(const struct where *where, const char *key, const char *const *names,
			size_t n, struct skep_error *error)
{
	char known[192] = "", quoted[QUOTE_SIZE];
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", names[i]);
		used += strlen(known + used);
	}
	return check_fail(where, error, "unknown key %s; known are %s",
			  check_quote(key, strlen(key), quoted), known);
}

int check_object(const struct where *where, const json_t *object, const char *const *names,
		 json_t **fields, size_t n, struct skep_error *error)
{
	const char *key;
	json_t *value;

	for (size_t i = 0; i < n; i++)
		fields[i] = NULL;
	if (!json_is_object(object))
		return check_fail(where, error, "must be an object, not %s", type_name(object));
	/* jansson iterates by a pointer that is not const, and changes nothing. */
	json_object_foreach ((json_t *)object, key, value) {
		size_t i = 0;
		while (i < n && strcmp(key, names[i]) != 0)
			i++;
		if (i == n)
			return fail_unknown(where, key, names, n, error);
		fields[i] = value;
	}
	return 0;
}

int check_array(const struct where *where, const json_t *array, size_t most,
		struct skep_error *error)
{
	if (!json_is_array(array))
		return check_fail(where, error, "must be an array, not %s", type_name(array));
	if (json_array_size(array) > most)
		return check_fail(where, error, "has %zu entries, more than %zu",
				  json_array_size(array), most);
	return 0;
}

int check_required(const struct where *where, const json_t *value, const char *name,
		   struct skep_error *error)
{
	return value ? 0 : check_fail(where, error, "%s is missing", name);
}

int check_bool(const struct where *where, const json_t *value, bool *result,
	       struct skep_error *error)
{
	if (!json_is_boolean(value))
		return check_fail(where, error, "must be true or false, not %s", type_name(value));
	*result = json_is_true(value);
	return 0;
}

int check_number(const struct where *where, const json_t *value, uint16_t least, uint16_t most,
		 uint16_t *result, struct skep_error *error)
{
	if (json_is_real(value))
		return check_fail(where, error, "must be a whole number from %u to %u", least,
				  most);
	if (!json_is_integer(value))
		return check_fail(where, error, "must be a number, not %s", type_name(value));
	json_int_t number = json_integer_value(value);
	if (number < least || number > most)
		return check_fail(where, error, "must be from %u to %u, not %" JSON_INTEGER_FORMAT,
				  least, most, number);
	*result = (uint16_t)number;
	return 0;
}

int check_time(const struct where *where, const json_t *value, int64_t *result,
	       struct skep_error *error)
{
	json_int_t time = json_integer_value(value);

	if (!json_is_integer(value))
		return check_fail(where, error, "must be a whole number, not %s", type_name(value));
	if (time < 0 || time > TIME_MAX_MS)
		return check_fail(where, error, "must be from 0 to %lld, not %lld", TIME_MAX_MS,
				  (long long)time);
	*result = time;
	return 0;
}

int check_text(const struct where *where, const json_t *value, const char **result,
	       struct skep_error *error)
{
	const char *text = json_string_value(value);

	if (!text) {
		check_fail(where, error, "must be a string, not %s", type_name(value));
		return -EINVAL;
	}
	/* Only a tree that was not made from text can have it. */
	if (strlen(text) != json_string_length(value)) {
		check_fail(where, error, "must not contain a NUL byte");
		return -EINVAL;
	}
	*result = text;
	return 0;
}

int check_name(const struct where *where, const json_t *value, struct arena *arena,
	       const char **result, struct skep_error *error)
{
	char quoted[QUOTE_SIZE];
	const char *text;
	int err = check_text(where, value, &text, error);

	if (err)
		return err;
	size_t length = json_string_length(value);
	if (length == 0)
		return check_fail(where, error, "must not be empty");
	if (length > CHECK_NAME_MAX)
		return check_fail(where, error, "has %zu bytes, more than %d", length,
				  CHECK_NAME_MAX);
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f || text[i] == '"' || text[i] == '\\')
			return check_fail(where, error,
					  "%s must be printable ASCII without space, quote or "
					  "backslash",
					  check_quote(text, length, quoted));
	*result = arena_string(arena, text, length);
	if (*result)
		return 0;
	error_errno(error, -ENOMEM, "cannot build the model");
	return -ENOMEM;
}

int check_interface(const struct where *where, const json_t *value, struct arena *arena,
		    const char **result, struct skep_error *error)
{
	int err = check_name(where, value, arena, result, error);

	if (err)
		return err;
	/* As dev_valid_name() in the kernel's net/core/dev.c. */
	if (strlen(*result) >= IF_NAMESIZE)
		return check_fail(where, error, "has %zu bytes, an interface's name at most %d",
				  strlen(*result), IF_NAMESIZE - 1);
	if (strpbrk(*result, "/:") || strcmp(*result, ".") == 0 || strcmp(*result, "..") == 0)
		return check_fail(where, error, "\"%s\" cannot be an interface's name", *result);
	return 0;
}

bool check_is_of_one_host(const struct skep_addr *addr)
{
	if (!skep_addr_is_v4(addr))
		return !skep_addr_is_zero(addr) && (ntohl(addr->word[0]) >> 24) != 0xff;
	__u32 v4 = ntohl(addr->word[3]);
	/* 0.0.0.0/8, and from multicast on: 224.0.0.0/4, the reserved rest, broadcast. */
	return v4 >> 24 != 0 && v4 >> 28 < 0xe;
}

int check_address(const struct where *where, const json_t *value, struct skep_addr *result,
		  struct skep_error *error)
{
	char quoted[QUOTE_SIZE];
	const char *text;
	int err = check_text(where, value, &text, error);

	if (err)
		return err;
	if (addr_parse(text, result))
		return check_fail(where, error, "%s is not an IP address",
				  check_quote(text, strlen(text), quoted));
	if (!check_is_of_one_host(result))
		return check_fail(where, error, "%s is not the address of one host", text);
	return 0;
}
