/* SPDX-License-Identifier: GPL-2.0-only */
/* Values of labels, checked. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model/check.h"
#include "route/auth.h"
#include "route/build.h"

#define HOST_MAX 253
#define DAY_MS	 86400000

#define ALPHANUMERIC "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
/* RFC 3986, appendix A: pchar and `/`. */
const char route_path_characters[] = ALPHANUMERIC "-._~!$&'()*+,;=:@/%";
const char route_url_characters[] = ALPHANUMERIC "-._~!$&'()*+,;=:@/%?#[]";

static struct route_text trimmed(struct route_text text)
{
	while (text.size && isspace((unsigned char)*text.data))
		text.data++, text.size--;
	while (text.size && isspace((unsigned char)text.data[text.size - 1]))
		text.size--;
	return text;
}

bool route_list_next(struct route_list *list, struct route_text *element)
{
	const char *end;

	if (!list->at)
		return false;
	if (list->n++ == ROUTE_LIST_MAX)
		return route_refuse(list->draft, "has more than %d elements", ROUTE_LIST_MAX);
	end = strchr(list->at, list->separator);
	*element = trimmed(
		(struct route_text){list->at, end ? (size_t)(end - list->at) : strlen(list->at)});
	list->at = end ? end + 1 : NULL;
	return true;
}

const char *route_quote(struct route_text text, char buffer[QUOTE_SIZE])
{
	return check_quote(text.data, text.size, buffer);
}

bool route_read_number(struct route_draft *draft, struct route_text text, int64_t least,
		       int64_t most, int64_t *number)
{
	char digits[21] = {0}, quoted[QUOTE_SIZE], *end = digits;
	long long value = 0;

	if (text.size < sizeof(digits))
		memcpy(digits, text.data, text.size);
	if (isdigit((unsigned char)digits[*digits == '-']))
		value = strtoll(digits, &end, 10);
	if ((size_t)(end - digits) != text.size || end == digits || value < least || value > most)
		return route_refuse(draft, "%s is not a number from %lld to %lld",
				    route_quote(text, quoted), (long long)least, (long long)most);
	*number = value;
	return true;
}

bool route_read_port(struct route_draft *draft, struct route_text text, uint16_t *port)
{
	int64_t number = 0;

	if (!route_read_number(draft, text, 1, UINT16_MAX, &number))
		return false;
	*port = (uint16_t)number;
	return true;
}

static bool is(struct route_text text, const char *word)
{
	return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

bool route_read_bool(struct route_draft *draft, struct route_text text, bool *value)
{
	char quoted[QUOTE_SIZE];

	if (!is(text, "true") && !is(text, "false"))
		return route_refuse(draft, "%s is neither true nor false",
				    route_quote(text, quoted));
	*value = is(text, "true");
	return true;
}

bool route_read_time(struct route_draft *draft, struct route_text text, uint32_t *ms)
{
	static const struct {
		const char *name;
		uint32_t ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	char quoted[QUOTE_SIZE];
	uint64_t number = 0;
	size_t digits = 0;

	while (digits < text.size && digits < 9 && isdigit((unsigned char)text.data[digits]))
		number = number * 10 + (uint64_t)(text.data[digits++] - '0');
	for (size_t i = 0; digits && i < sizeof(units) / sizeof(*units); i++) {
		const struct route_text unit = {text.data + digits, text.size - digits};

		if (unit.size == strlen(units[i].name) &&
		    memcmp(unit.data, units[i].name, unit.size) == 0 && number > 0 &&
		    number * units[i].ms <= DAY_MS) {
			*ms = (uint32_t)(number * units[i].ms);
			return true;
		}
	}
	return route_refuse(draft, "%s is not a time from 1ms to 24h, like 30s",
			    route_quote(text, quoted));
}

bool route_is_token(struct route_text text)
{
	for (size_t i = 0; i < text.size; i++)
		if (!text.data[i] || !strchr(ALPHANUMERIC "!#$%&'*+-.^_`|~", text.data[i]))
			return false;
	return text.size > 0 && text.size <= 128;
}

bool route_is_field_value(struct route_text text)
{
	for (size_t i = 0; i < text.size; i++)
		if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
			return false;
	return text.size <= ROUTE_TEXT_MAX;
}

bool route_is_name(struct route_text text, const char *others, size_t most)
{
	for (size_t i = 0; i < text.size; i++)
		if (!text.data[i] ||
		    (!strchr(ALPHANUMERIC "-_", text.data[i]) && !strchr(others, text.data[i])))
			return false;
	return text.size > 0 && text.size <= most;
}

bool route_read_host(struct route_draft *draft, struct route_text text, const char **host)
{
	static const char name[] = ALPHANUMERIC "-_.", address[] = "0123456789abcdefABCDEF:.[]";
	char lower[HOST_MAX + 1], quoted[QUOTE_SIZE];
	bool is_address = text.size && *text.data == '[';

	if (text.size > 1 && text.data[text.size - 1] == '.')
		text.size--;
	if (text.size == 0 || text.size > HOST_MAX)
		return route_refuse(draft, "%s is not a host's name of 1 to %d bytes",
				    route_quote(text, quoted), HOST_MAX);
	for (size_t i = 0; i < text.size; i++) {
		if (!text.data[i] || !strchr(is_address ? address : name, text.data[i]))
			return route_refuse(draft,
					    "%s is no host's name: letters, digits, `-`, `_` and "
					    "dots, no port; write other alphabets in punycode",
					    route_quote(text, quoted));
		lower[i] = (char)tolower((unsigned char)text.data[i]);
	}
	*host = route_copy(draft->build, (struct route_text){lower, text.size});
	draft->failed = draft->failed || !*host;
	return *host != NULL;
}

static bool is_unreserved(char c)
{
	return c && strchr(ALPHANUMERIC "-._~", c);
}

static int hex(char digit)
{
	return isdigit((unsigned char)digit) ? digit - '0'
					     : tolower((unsigned char)digit) - 'a' + 10;
}

static char *put_escaped(char *at, unsigned char byte)
{
	static const char digits[] = "0123456789ABCDEF";

	*at++ = '%';
	*at++ = digits[byte >> 4];
	*at++ = digits[byte & 15];
	return at;
}

static bool has_dot_segment(const char *path)
{
	for (const char *at = path; (at = strchr(at, '/')); at++) {
		size_t dots = strspn(at + 1, ".");

		if ((dots == 1 || dots == 2) && (at[1 + dots] == '/' || !at[1 + dots]))
			return true;
	}
	return false;
}

bool route_read_path(struct route_draft *draft, struct route_text text, struct route_text *path)
{
	char normal[3 * ROUTE_TEXT_MAX + 1], quoted[QUOTE_SIZE], *at = normal;

	if (text.size == 0 || *text.data != '/' || text.size > ROUTE_TEXT_MAX)
		return route_refuse(draft, "%s is not a path of up to %d bytes that begins with /",
				    route_quote(text, quoted), ROUTE_TEXT_MAX);
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];

		if (c == '%') {
			if (text.size - i < 3 || !isxdigit((unsigned char)text.data[i + 1]) ||
			    !isxdigit((unsigned char)text.data[i + 2]))
				return route_refuse(draft,
						    "%s has a %% without two digits after it",
						    route_quote(text, quoted));
			c = (char)(hex(text.data[i + 1]) << 4 | hex(text.data[i + 2]));
			i += 2;
			if (is_unreserved(c))
				*at++ = c;
			else
				at = put_escaped(at, (unsigned char)c);
		} else if ((unsigned char)c >= 0x80) {
			at = put_escaped(at, (unsigned char)c);
		} else if (c && strchr(route_path_characters, c)) {
			*at++ = c;
		} else {
			return route_refuse(draft,
					    "%s has a character that no path has, such as a "
					    "space or a query's ?",
					    route_quote(text, quoted));
		}
	}
	*at = '\0';
	if (has_dot_segment(normal))
		return route_refuse(draft,
				    "%s has an element . or .., which no request has when "
				    "it is compared",
				    route_quote(text, quoted));
	path->size = (size_t)(at - normal);
	path->data = route_copy(draft->build, (struct route_text){normal, path->size});
	draft->failed = draft->failed || !path->data;
	return path->data != NULL;
}

bool route_read_regex(struct route_draft *draft, struct route_text text, bool any_case,
		      const struct route_regex **regex)
{
	struct skep_error error;
	char quoted[QUOTE_SIZE];
	int err = text.size
			  ? route_regex_compile(draft->build->arena, text, any_case, regex, &error)
			  : error_set(&error, -1, "it is empty");

	if (err)
		return route_refuse(draft, "the regular expression %s is not valid: %s",
				    route_quote(text, quoted), error.text);
	return true;
}

bool route_read_url(struct route_draft *draft, struct route_text text, const char **url)
{
	static const char *const schemes[] = {"http://", "https://"};
	char quoted[QUOTE_SIZE];
	size_t scheme = 0;

	for (size_t i = 0; i < 2; i++)
		if (text.size > strlen(schemes[i]) &&
		    strncmp(text.data, schemes[i], strlen(schemes[i])) == 0)
			scheme = strlen(schemes[i]);
	for (size_t i = 0; scheme && i < text.size; i++)
		if (!text.data[i] || !strchr(route_url_characters, text.data[i]))
			scheme = 0;
	if (!scheme || text.size > ROUTE_TEXT_MAX || strchr("/?#", text.data[scheme]))
		return route_refuse(draft, "%s is not a URL that begins with http:// or https://",
				    route_quote(text, quoted));
	*url = route_copy(draft->build, text);
	draft->failed = draft->failed || !*url;
	return *url != NULL;
}

static bool read_user(struct route_draft *draft, struct route_text element, bool plain,
		      struct route_user *user)
{
	const char *colon = memchr(element.data, ':', element.size);
	size_t name = colon ? (size_t)(colon - element.data) : 0;
	char quoted[QUOTE_SIZE];

	/* Not quoted whole: it may hold a password. */
	if (!name || name + 1 == element.size)
		return route_refuse(draft, "user %s has no name or no secret, as in NAME:SECRET",
				    route_quote((struct route_text){element.data, name}, quoted));
	user->name = route_copy(draft->build, (struct route_text){element.data, name});
	user->secret =
		route_copy(draft->build, (struct route_text){colon + 1, element.size - name - 1});
	user->plain = plain;
	if (!user->name || !user->secret) {
		draft->failed = true;
		return false;
	}
	if (!plain && !auth_knows(user->secret))
		return route_refuse(
			draft,
			"the secret of user %s is no hash as mkpasswd(1) or htpasswd(1) "
			"make them; in a Compose file each $ must be written $$",
			route_quote((struct route_text){element.data, name}, quoted));
	return true;
}

const struct route_users *route_read_users(struct route_draft *draft, const char *value, bool plain)
{
	struct route_users *users = arena_alloc(draft->build->arena, sizeof(*users));
	struct route_list list = {.draft = draft, .at = value, .separator = ','};
	const struct route_user **end = users ? &users->first : NULL;
	struct route_text element;

	if (!users) {
		draft->build->no_memory = draft->failed = true;
		return NULL;
	}
	while (route_list_next(&list, &element)) {
		struct route_user *user = arena_alloc(draft->build->arena, sizeof(*user));

		if (!user) {
			draft->build->no_memory = draft->failed = true;
			return NULL;
		}
		if (element.size == 0)
			continue;
		if (!read_user(draft, element, plain, user))
			return NULL;
		*end = user;
		end = &user->next;
	}
	if (!users->first) {
		route_refuse(draft, "it names no user, so nobody could come in");
		return NULL;
	}
	users->realm = draft->build->service_name;
	return users;
}
