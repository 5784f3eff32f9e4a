/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/match.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define QUERY_VALUE_MAX 4096 /* bytes, decoded; a longer one equals nothing */

static bool equal(struct route_text a, struct route_text b)
{
	return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static bool equal_any_case(struct route_text a, struct route_text b)
{
	return a.size == b.size && strncasecmp(a.data, b.data, a.size) == 0;
}

static bool begins(struct route_text text, struct route_text with)
{
	return text.size >= with.size && memcmp(text.data, with.data, with.size) == 0;
}

bool route_path_is_under(struct route_text path, struct route_text prefix)
{
	if (prefix.size && prefix.data[prefix.size - 1] == '/')
		prefix.size--;
	return begins(path, prefix) && (path.size == prefix.size || path.data[prefix.size] == '/');
}

static struct route_text end_of(struct route_text text, size_t size)
{
	return (struct route_text){text.data + text.size - size, size};
}

/* HAProxy's hdr_dom: wanted stands between dots, or an end. */
static bool has_domain(struct route_text host, struct route_text wanted)
{
	for (size_t at = 0; at + wanted.size <= host.size; at++) {
		size_t end = at + wanted.size;

		if ((at == 0 || host.data[at - 1] == '.') &&
		    (end == host.size || host.data[end] == '.') &&
		    strncasecmp(host.data + at, wanted.data, wanted.size) == 0)
			return true;
	}
	return false;
}

static bool host_matches(const struct route_match *match, struct route_text host)
{
	const struct route_text wanted = {match->text, match->size};

	switch (match->kind) {
	case ROUTE_HOST:
		return equal_any_case(host, wanted);
	case ROUTE_HOST_UNDER:
		return host.size > wanted.size && equal_any_case(end_of(host, wanted.size), wanted);
	case ROUTE_HOST_CHILD:
		return host.size > wanted.size &&
		       equal_any_case(end_of(host, wanted.size), wanted) &&
		       !memchr(host.data, '.', host.size - wanted.size);
	case ROUTE_HOST_BEGINS:
		return host.size >= wanted.size &&
		       strncasecmp(host.data, wanted.data, wanted.size) == 0;
	case ROUTE_HOST_ENDS:
		return host.size >= wanted.size &&
		       equal_any_case(end_of(host, wanted.size), wanted);
	default: /* ROUTE_HOST_DOMAIN */
		return has_domain(host, wanted);
	}
}

/* The expression sees the host in lower case, as Host has no case. */
static enum route_found host_regex(const struct route_match *match, struct route_text host,
				   struct route_scratch *scratch)
{
	char lower[256];

	if (host.size > sizeof(lower))
		return ROUTE_NOT_FOUND;
	for (size_t i = 0; i < host.size; i++)
		lower[i] = (char)tolower((unsigned char)host.data[i]);
	return route_regex_find(match->regex, scratch, (struct route_text){lower, host.size});
}

static struct route_text trimmed(struct route_text text)
{
	while (text.size && isblank((unsigned char)*text.data))
		text.data++, text.size--;
	while (text.size && isblank((unsigned char)text.data[text.size - 1]))
		text.size--;
	return text;
}

static bool has_element(struct route_text value, struct route_text wanted)
{
	for (;;) {
		const char *comma = value.size ? memchr(value.data, ',', value.size) : NULL;
		size_t size = comma ? (size_t)(comma - value.data) : value.size;

		if (equal(trimmed((struct route_text){value.data, size}), wanted))
			return true;
		if (!comma)
			return false;
		value.data += size + 1;
		value.size -= size + 1;
	}
}

static bool contains(struct route_text value, struct route_text wanted)
{
	for (size_t at = 0; at + wanted.size <= value.size; at++)
		if (strncasecmp(value.data + at, wanted.data, wanted.size) == 0)
			return true;
	return false;
}

static enum route_found one_field_matches(const struct route_match *match, struct route_text value,
					  struct route_scratch *scratch)
{
	const struct route_text wanted = {match->text, match->size};
	bool matches;

	if (match->kind == ROUTE_FIELD_REGEX)
		return route_regex_find(match->regex, scratch, value);
	if (match->kind == ROUTE_FIELD_ELEMENT)
		matches = has_element(value, wanted);
	else if (match->kind == ROUTE_FIELD_CONTAINS)
		matches = contains(value, wanted);
	else
		matches = equal(value, wanted);
	return matches ? ROUTE_FOUND : ROUTE_NOT_FOUND;
}

static enum route_found field_matches(const struct route_match *match,
				      const struct route_request *request,
				      struct route_scratch *scratch)
{
	enum route_found result = ROUTE_NOT_FOUND;
	struct route_text value;

	for (size_t i = 0; request->field(request->context, match->name, i, &value); i++) {
		enum route_found found = one_field_matches(match, value, scratch);

		if (found == ROUTE_FOUND)
			return found;
		if (found == ROUTE_GAVE_UP)
			result = found;
	}
	return result;
}

static int hex(char digit)
{
	return isdigit((unsigned char)digit) ? digit - '0'
					     : tolower((unsigned char)digit) - 'a' + 10;
}

/* As application/x-www-form-urlencoded. False: it does not fit, or an escape is malformed. */
static bool decode(struct route_text text, char *buffer, size_t room, struct route_text *decoded)
{
	size_t n = 0;

	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];

		if (n == room)
			return false;
		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			if (text.size - i < 3 || !isxdigit((unsigned char)text.data[i + 1]) ||
			    !isxdigit((unsigned char)text.data[i + 2]))
				return false;
			c = (char)(hex(text.data[i + 1]) << 4 | hex(text.data[i + 2]));
			i += 2;
		}
		buffer[n++] = c;
	}
	*decoded = (struct route_text){buffer, n};
	return true;
}

static enum route_found one_parameter(const struct route_match *match, struct route_text parameter,
				      struct route_scratch *scratch)
{
	const char *sign = parameter.size ? memchr(parameter.data, '=', parameter.size) : NULL;
	size_t name_size = sign ? (size_t)(sign - parameter.data) : parameter.size;
	char buffer[QUERY_VALUE_MAX];
	struct route_text name, value = {"", 0};

	if (!decode((struct route_text){parameter.data, name_size}, buffer, sizeof(buffer),
		    &name) ||
	    !equal(name, (struct route_text){match->name, strlen(match->name)}))
		return ROUTE_NOT_FOUND;
	if (sign && !decode((struct route_text){sign + 1, parameter.size - name_size - 1}, buffer,
			    sizeof(buffer), &value))
		return ROUTE_NOT_FOUND;
	if (match->kind == ROUTE_QUERY_REGEX)
		return route_regex_find(match->regex, scratch, value);
	return equal(value, (struct route_text){match->text, match->size}) ? ROUTE_FOUND
									   : ROUTE_NOT_FOUND;
}

static enum route_found query_matches(const struct route_match *match, struct route_text query,
				      struct route_scratch *scratch)
{
	enum route_found result = ROUTE_NOT_FOUND;

	while (query.size) {
		const char *end = memchr(query.data, '&', query.size);
		size_t size = end ? (size_t)(end - query.data) : query.size;
		enum route_found found =
			one_parameter(match, (struct route_text){query.data, size}, scratch);

		if (found == ROUTE_FOUND)
			return found;
		if (found == ROUTE_GAVE_UP)
			result = found;
		size += end != NULL;
		query.data += size;
		query.size -= size;
	}
	return result;
}

static bool plain_leaf_matches(const struct route_match *match, const struct route_request *request)
{
	const struct route_text wanted = {match->text, match->size};

	switch (match->kind) {
	case ROUTE_ENTRY:
		return strcmp(request->entry, match->text) == 0;
	case ROUTE_MODE:
		return match->number == request->mode;
	case ROUTE_PORT:
		return request->port == match->number;
	case ROUTE_TLS:
		return request->tls;
	case ROUTE_PATH:
		return equal(request->path, wanted);
	case ROUTE_PATH_UNDER:
		return route_path_is_under(request->path, wanted);
	case ROUTE_PATH_BEGINS:
		return begins(request->path, wanted);
	case ROUTE_METHOD:
		return equal(request->method, wanted);
	case ROUTE_CLIENT:
		return addr_prefix_contains(&match->prefix, &request->client);
	default:
		return host_matches(match, request->host);
	}
}

static enum route_found all_match(const struct route_match *match,
				  const struct route_request *request,
				  struct route_scratch *scratch)
{
	enum route_found result = ROUTE_FOUND;

	for (const struct route_match *child = match->children; child; child = child->next) {
		enum route_found found = route_matches(child, request, scratch);

		if (found == ROUTE_NOT_FOUND)
			return found;
		if (found == ROUTE_GAVE_UP)
			result = found;
	}
	return result;
}

static enum route_found any_matches(const struct route_match *match,
				    const struct route_request *request,
				    struct route_scratch *scratch)
{
	enum route_found result = ROUTE_NOT_FOUND;

	for (const struct route_match *child = match->children; child; child = child->next) {
		enum route_found found = route_matches(child, request, scratch);

		if (found == ROUTE_FOUND)
			return found;
		if (found == ROUTE_GAVE_UP)
			result = found;
	}
	return result;
}

static enum route_found negate(enum route_found found)
{
	return found == ROUTE_GAVE_UP ? found
	       : found == ROUTE_FOUND ? ROUTE_NOT_FOUND
				      : ROUTE_FOUND;
}

/* Trees are as deep as their readers let them be (ROUTE_DEPTH_MAX). */
enum route_found route_matches(const struct route_match *match, const struct route_request *request,
			       struct route_scratch *scratch)
{
	switch (match->kind) {
	case ROUTE_ALL:
		return all_match(match, request, scratch);
	case ROUTE_ANY:
		return any_matches(match, request, scratch);
	case ROUTE_NOT:
		return negate(route_matches(match->children, request, scratch));
	case ROUTE_HOST_REGEX:
		return host_regex(match, request->host, scratch);
	case ROUTE_PATH_REGEX:
		return route_regex_find(match->regex, scratch, request->path);
	case ROUTE_FIELD:
	case ROUTE_FIELD_ELEMENT:
	case ROUTE_FIELD_CONTAINS:
	case ROUTE_FIELD_REGEX:
		return field_matches(match, request, scratch);
	case ROUTE_QUERY:
	case ROUTE_QUERY_REGEX:
		return query_matches(match, request->query, scratch);
	default:
		return plain_leaf_matches(match, request) ? ROUTE_FOUND : ROUTE_NOT_FOUND;
	}
}

const struct route_match *route_mismatch(const struct route_match *match,
					 const struct route_request *request,
					 struct route_scratch *scratch)
{
	if (match->kind == ROUTE_ALL) {
		for (const struct route_match *child = match->children; child;
		     child = child->next) {
			const struct route_match *found = route_mismatch(child, request, scratch);

			if (found)
				return found;
		}
		return NULL;
	}
	return route_matches(match, request, scratch) == ROUTE_NOT_FOUND ? match : NULL;
}
