/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/regex.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define NESTING_MAX  32U
#define HEAP_MAX_KIB 1024U /* for backtracking */
#define EVERY_MAX    1000  /* replacements in one text */
#define PIECES_MAX   64
#define NO_GROUP     UINT32_MAX

struct route_regex {
	pcre2_code *code;
	const char *pattern;
	struct route_text literal;
};

struct piece {
	struct route_text text; /* group NO_GROUP */
	uint32_t group;
};

struct route_replacement {
	const char *text; /* as it was written */
	size_t n;
	struct piece pieces[];
};

struct route_scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
	uint64_t gave_up;
};

struct route_scratch *route_scratch_new(void)
{
	struct route_scratch *scratch = calloc(1, sizeof(*scratch));

	if (!scratch)
		return NULL;
	scratch->data = pcre2_match_data_create(REGEX_GROUPS_MAX + 1, NULL);
	scratch->context = pcre2_match_context_create(NULL);
	if (!scratch->data || !scratch->context) {
		route_scratch_free(scratch);
		return NULL;
	}
	pcre2_set_match_limit(scratch->context, REGEX_STEPS_MAX);
	pcre2_set_depth_limit(scratch->context, REGEX_STEPS_MAX);
	pcre2_set_heap_limit(scratch->context, HEAP_MAX_KIB);
	return scratch;
}

void route_scratch_free(struct route_scratch *scratch)
{
	if (!scratch)
		return;
	pcre2_match_data_free(scratch->data);
	pcre2_match_context_free(scratch->context);
	free(scratch);
}

uint64_t route_scratch_gave_up(const struct route_scratch *scratch)
{
	return scratch->gave_up;
}

/* What has a meaning of its own outside a class. */
static bool is_special(char character)
{
	return character == '\0' || strchr("\\^$.[]|()?*+{}", character) != NULL;
}

/*
 * Only `^` and plain characters up to the first that is anything else: an alternative at the top
 * could begin otherwise, and what a quantifier follows might not be there.
 */
static struct route_text find_literal(struct arena *arena, struct route_text pattern)
{
	const struct route_text none = {"", 0};
	char literal[REGEX_PATTERN_MAX];
	size_t n = 0, at = 1, depth = 0;

	if (pattern.size == 0 || pattern.data[0] != '^')
		return none;
	for (size_t i = 0; i < pattern.size; i++) {
		char c = pattern.data[i];

		/* Classes may hide brackets and bars: whatever is not plain is not looked into. */
		if (c == '\\' && i + 1 < pattern.size && pattern.data[i + 1] == 'Q')
			return none;
		if (c == '\\')
			i++;
		else if (c == '[')
			break;
		else if (c == '(')
			depth++;
		else if (c == ')' && depth)
			depth--;
		else if (c == '|' && !depth)
			return none;
	}
	if (memchr(pattern.data, '[', pattern.size) && memchr(pattern.data, '|', pattern.size))
		return none;
	while (at < pattern.size && n < sizeof(literal)) {
		size_t next = at + 1;
		char c = pattern.data[at];

		if (c == '\\' && next < pattern.size && ispunct((unsigned char)pattern.data[next]))
			c = pattern.data[next++];
		else if (is_special(c))
			break;
		if (next < pattern.size && strchr("?*{", pattern.data[next]))
			break;
		literal[n++] = c;
		at = next;
	}
	const char *copy = arena_string(arena, literal, n);
	return copy ? (struct route_text){copy, n} : none;
}

static void *allocate(size_t size, void *arena)
{
	return arena_alloc(arena, size);
}

static void release(void *memory, void *arena)
{
	(void)memory; /* the arena's */
	(void)arena;
}

static int compile(struct arena *arena, struct route_text pattern, uint32_t flags,
		   pcre2_code **code, struct skep_error *error)
{
	/* Freed with the arena, like what they make. */
	pcre2_general_context *memory = pcre2_general_context_create(allocate, release, arena);
	pcre2_compile_context *limits = memory ? pcre2_compile_context_create(memory) : NULL;
	PCRE2_UCHAR text[128];
	PCRE2_SIZE offset = 0;
	int number = 0;

	if (!limits)
		return error_errno(error, -ENOMEM, "cannot compile a regular expression");
	pcre2_set_parens_nest_limit(limits, NESTING_MAX);
	pcre2_set_max_pattern_length(limits, REGEX_PATTERN_MAX);
	*code = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.size,
			      flags | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C,
			      &number, &offset, limits);
	if (*code)
		return 0;
	if (number == PCRE2_ERROR_HEAP_FAILED)
		return error_errno(error, -ENOMEM, "cannot compile a regular expression");
	pcre2_get_error_message(number, text, sizeof(text));
	return error_set(error, -EINVAL, "%s, at character %zu", (const char *)text,
			 (size_t)offset + 1);
}

int route_regex_compile(struct arena *arena, struct route_text pattern, bool any_case,
			const struct route_regex **result, struct skep_error *error)
{
	struct route_regex *regex = arena_alloc(arena, sizeof(*regex));
	uint32_t groups = 0;
	int err;

	if (!regex)
		return error_errno(error, -ENOMEM, "cannot compile a regular expression");
	if (pattern.size > REGEX_PATTERN_MAX)
		return error_set(error, -EINVAL, "it has %zu bytes, more than %d", pattern.size,
				 REGEX_PATTERN_MAX);
	err = compile(arena, pattern, any_case ? PCRE2_CASELESS : 0, &regex->code, error);
	if (err)
		return err;
	pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &groups);
	if (groups > REGEX_GROUPS_MAX)
		return error_set(error, -EINVAL, "it has %u groups, more than %d", groups,
				 REGEX_GROUPS_MAX);
	regex->pattern = arena_string(arena, pattern.data, pattern.size);
	if (!regex->pattern)
		return error_errno(error, -ENOMEM, "cannot compile a regular expression");
	regex->literal = any_case ? (struct route_text){"", 0} : find_literal(arena, pattern);
	*result = regex;
	return 0;
}

const char *route_regex_pattern(const struct route_regex *regex)
{
	return regex->pattern;
}

struct route_text route_regex_literal(const struct route_regex *regex)
{
	return regex->literal;
}

static enum route_found find(const struct route_regex *regex, struct route_scratch *scratch,
			     struct route_text text, size_t from, uint32_t options)
{
	int n = pcre2_match(regex->code, (PCRE2_SPTR)text.data, text.size, from, options,
			    scratch->data, scratch->context);

	if (n >= 0)
		return ROUTE_FOUND;
	if (n == PCRE2_ERROR_NOMATCH)
		return ROUTE_NOT_FOUND;
	scratch->gave_up++;
	return ROUTE_GAVE_UP;
}

enum route_found route_regex_find(const struct route_regex *regex, struct route_scratch *scratch,
				  struct route_text text)
{
	return find(regex, scratch, text, 0, 0);
}

static uint32_t count_groups(const struct route_regex *regex)
{
	uint32_t groups = 0;

	pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &groups);
	return groups;
}

/* The group named by what stands after `$` or `\` at *at, which is moved behind it. */
static int parse_group(const struct route_regex *regex, struct route_text text, size_t *at,
		       uint32_t *group, struct skep_error *error)
{
	bool braces = *at < text.size && text.data[*at] == '{';
	size_t start = *at + braces, end = start;
	char name[33];

	while (end < text.size && end - start < sizeof(name) - 1 &&
	       (braces ? isalnum((unsigned char)text.data[end]) || text.data[end] == '_'
		       : isdigit((unsigned char)text.data[end]) != 0))
		end++;
	memcpy(name, text.data + start, end - start);
	name[end - start] = '\0';
	if (end == start || (braces && (end == text.size || text.data[end] != '}')))
		return error_set(error, -EINVAL,
				 "the replacement has a reference without a group at character %zu",
				 *at);
	*at = end + braces;
	if (strspn(name, "0123456789") == strlen(name)) {
		*group = strlen(name) > 4 ? NO_GROUP : (uint32_t)strtoul(name, NULL, 10);
	} else {
		int number = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)name);
		*group = number < 0 ? NO_GROUP : (uint32_t)number;
	}
	if (*group > count_groups(regex))
		return error_set(error, -EINVAL,
				 "the replacement refers to group %s, which the expression has not",
				 name);
	return 0;
}

static int parse_pieces(const struct route_regex *regex, struct route_text text, bool backslash,
			const char *allowed, struct route_replacement *replacement,
			struct skep_error *error)
{
	const char sign = backslash ? '\\' : '$';
	size_t at = 0;

	while (at < text.size) {
		struct piece *piece = &replacement->pieces[replacement->n];
		int err = 0;

		if (replacement->n++ == PIECES_MAX)
			return error_set(error, -EINVAL, "the replacement has too many parts");
		if (text.data[at] != sign) {
			size_t start = at;

			while (at < text.size && text.data[at] != sign)
				if (!text.data[at] || !strchr(allowed, text.data[at++]))
					return error_set(error, -EINVAL,
							 "the replacement may not contain what "
							 "it has at character %zu",
							 at);
			*piece = (struct piece){{text.data + start, at - start}, NO_GROUP};
		} else if (++at < text.size && text.data[at] == sign) {
			if (!strchr(allowed, sign))
				return error_set(error, -EINVAL,
						 "the replacement may not contain %c", sign);
			*piece = (struct piece){{text.data + at++, 1}, NO_GROUP};
		} else {
			err = parse_group(regex, text, &at, &piece->group, error);
		}
		if (err)
			return err;
	}
	return 0;
}

int route_replacement_compile(struct arena *arena, const struct route_regex *regex,
			      struct route_text text, bool backslash, const char *allowed,
			      const struct route_replacement **result, struct skep_error *error)
{
	struct route_replacement *replacement =
		arena_alloc(arena, sizeof(*replacement) + (PIECES_MAX + 1) * sizeof(struct piece));

	if (replacement)
		replacement->text = arena_string(arena, text.data, text.size);
	if (!replacement || !replacement->text)
		return error_errno(error, -ENOMEM, "cannot keep a replacement");
	text.data = replacement->text; /* pieces point into it */
	*result = replacement;
	return parse_pieces(regex, text, backslash, allowed, replacement, error);
}

const char *route_replacement_text(const struct route_replacement *replacement)
{
	return replacement->text;
}

struct output {
	char *buffer;
	size_t size, written;
	bool full;
};

static void put(struct output *output, const char *data, size_t size)
{
	if (output->full || size > output->size - output->written) {
		output->full = true;
		return;
	}
	memcpy(output->buffer + output->written, data, size);
	output->written += size;
}

static void put_pieces(struct output *output, const struct route_replacement *replacement,
		       struct route_text text, const PCRE2_SIZE *ends, uint32_t n_groups)
{
	for (size_t i = 0; i < replacement->n; i++) {
		const struct piece *piece = &replacement->pieces[i];

		if (piece->group == NO_GROUP)
			put(output, piece->text.data, piece->text.size);
		else if (piece->group < n_groups && ends[2 * piece->group] != PCRE2_UNSET &&
			 ends[2 * piece->group] <= ends[2 * piece->group + 1])
			put(output, text.data + ends[2 * piece->group],
			    ends[2 * piece->group + 1] - ends[2 * piece->group]);
	}
}

int route_regex_replace(const struct route_regex *regex, struct route_scratch *scratch,
			const struct route_replacement *replacement, bool every,
			struct route_text text, char *buffer, size_t size, size_t *written)
{
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(scratch->data);
	uint32_t n_groups = count_groups(regex) + 1;
	struct output output = {.buffer = buffer, .size = size};
	enum route_found found = find(regex, scratch, text, 0, 0);
	size_t copied = 0;

	if (found != ROUTE_FOUND)
		return found;
	for (int n = 0; found == ROUTE_FOUND; n++) {
		size_t start = ends[0], end = ends[1];

		/* \K may put the start behind the end, or before what was copied already. */
		if (start < copied || end < start || n == EVERY_MAX)
			break;
		put(&output, text.data + copied, start - copied);
		put_pieces(&output, replacement, text, ends, n_groups);
		copied = end;
		if (!every || end == text.size)
			break;
		if (start == end)
			put(&output, text.data + copied++, 1);
		found = find(regex, scratch, text, copied, 0);
		if (found == ROUTE_GAVE_UP)
			return ROUTE_GAVE_UP;
	}
	put(&output, text.data + copied, text.size - copied);
	*written = output.written;
	return output.full ? -ENAMETOOLONG : ROUTE_FOUND;
}
