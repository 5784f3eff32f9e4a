/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Traefik's rules (its third version's syntax): matchers with strings as Go writes them, && || !
 * and parentheses.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model/check.h"
#include "route/traefik.h"

#define MATCHERS_MAX  256 /* of one rule */
#define ARGUMENTS_MAX 4
#define RULE_SIZE_MAX 16384

struct parser {
	struct route_draft *draft;
	const char *at, *start;
	unsigned int depth, n;
};

struct arguments {
	struct route_text items[ARGUMENTS_MAX];
	size_t n;
};

static struct route_match *parse_or(struct parser *parser);

static void *fail(struct parser *parser, const char *what)
{
	if (!parser->draft->failed)
		route_refuse(parser->draft, "%s at character %zu", what,
			     (size_t)(parser->at - parser->start) + 1);
	return NULL;
}

static void skip_space(struct parser *parser)
{
	parser->at += strspn(parser->at, " \t\r\n");
}

static bool take(struct parser *parser, const char *token)
{
	skip_space(parser);
	if (strncmp(parser->at, token, strlen(token)) != 0)
		return false;
	parser->at += strlen(token);
	return true;
}

/* What an escape of a quoted string stands for: those that rules have use for. */
static bool unescape(char letter, char *character)
{
	static const char letters[] = "\\\\\"\"n\nt\tr\r";

	for (size_t i = 0; letters[i]; i += 2)
		if (letters[i] == letter) {
			*character = letters[i + 1];
			return true;
		}
	return false;
}

static bool parse_quoted(struct parser *parser, struct route_text *text)
{
	size_t size = 0, room = strcspn(parser->at, "") + 1;
	char *copy = arena_alloc(parser->draft->build->arena, room);

	if (!copy) {
		parser->draft->build->no_memory = true;
		return false;
	}
	while (*parser->at && *parser->at != '"') {
		char character = *parser->at;

		if (character == '\\' && !unescape(*++parser->at, &character))
			return fail(parser, "the string has an escape that is not known,");
		copy[size++] = character;
		parser->at++;
	}
	if (*parser->at != '"')
		return fail(parser, "the string has no end,");
	parser->at++;
	*text = (struct route_text){copy, size};
	return true;
}

static bool parse_string(struct parser *parser, struct route_text *text)
{
	const char *end;

	if (take(parser, "\""))
		return parse_quoted(parser, text);
	if (!take(parser, "`"))
		return fail(parser, "there must be a string in `backticks` or \"quotes\"");
	end = strchr(parser->at, '`');
	if (!end)
		return fail(parser, "the string has no end,");
	*text = (struct route_text){parser->at, (size_t)(end - parser->at)};
	parser->at = end + 1;
	return true;
}

static bool parse_arguments(struct parser *parser, struct arguments *arguments)
{
	arguments->n = 0;
	if (!take(parser, "("))
		return fail(parser, "there must be a (");
	do {
		if (arguments->n == ARGUMENTS_MAX)
			return fail(parser, "there are too many arguments");
		if (!parse_string(parser, &arguments->items[arguments->n++]))
			return false;
	} while (take(parser, ","));
	return take(parser, ")") || fail(parser, "there must be a )");
}

/* ---- matchers */

static struct route_match *make_host(struct route_draft *draft, struct route_text text)
{
	bool child = text.size > 2 && strncmp(text.data, "*.", 2) == 0;
	struct route_match *match;
	const char *host;

	/* Any host, and none, too. */
	if (text.size == 1 && *text.data == '*')
		return route_match_new(draft->build, ROUTE_ALL);
	text.data += child;
	text.size -= child;
	if (!route_read_host(draft, text, &host))
		return NULL;
	match = route_match_new(draft->build, child ? ROUTE_HOST_CHILD : ROUTE_HOST);
	if (match) {
		match->text = host;
		match->size = strlen(host);
	}
	return match;
}

static struct route_match *make_regex(struct route_draft *draft, enum route_match_kind kind,
				      struct route_text text)
{
	const struct route_regex *regex;
	struct route_match *match;

	if (!route_read_regex(draft, text, false, &regex))
		return NULL;
	match = route_match_new(draft->build, kind);
	if (match)
		match->regex = regex;
	return match;
}

static struct route_match *make_path(struct route_draft *draft, enum route_match_kind kind,
				     struct route_text text)
{
	struct route_text path;

	return route_read_path(draft, text, &path) ? route_match_text(draft->build, kind, path)
						   : NULL;
}

static struct route_match *make_method(struct route_draft *draft, struct route_text text)
{
	char upper[129], quoted[QUOTE_SIZE];

	if (!route_is_token(text)) {
		route_refuse(draft, "%s is no method", route_quote(text, quoted));
		return NULL;
	}
	for (size_t i = 0; i < text.size; i++)
		upper[i] = (char)toupper((unsigned char)text.data[i]);
	return route_match_text(draft->build, ROUTE_METHOD, (struct route_text){upper, text.size});
}

/* ClientIP takes networks with bits behind the prefix, too, and leaves those out of account. */
static void clear_host_bits(struct addr_prefix *prefix)
{
	uint8_t *bytes = (uint8_t *)&prefix->addr;

	for (unsigned int bit = prefix->length; bit < 128; bit++)
		bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static struct route_match *make_client(struct route_draft *draft, struct route_text text)
{
	struct route_match *match = route_match_new(draft->build, ROUTE_CLIENT);
	char copy[ADDR_TEXT_SIZE + 8] = {0}, quoted[QUOTE_SIZE], *slash, *end = NULL;
	unsigned long length = 128, most;

	if (!match)
		return NULL;
	if (text.size < sizeof(copy))
		memcpy(copy, text.data, text.size);
	slash = strchr(copy, '/');
	if (slash)
		*slash++ = '\0';
	if (addr_parse(copy, &match->prefix.addr)) {
		route_refuse(draft, "%s is neither an address nor a network",
			     route_quote(text, quoted));
		return NULL;
	}
	most = skep_addr_is_v4(&match->prefix.addr) ? 32 : 128;
	if (slash)
		length = isdigit((unsigned char)*slash) ? strtoul(slash, &end, 10) : most + 1;
	else
		length = most;
	if (length > most || (end && *end)) {
		route_refuse(draft, "%s is neither an address nor a network",
			     route_quote(text, quoted));
		return NULL;
	}
	match->prefix.length = (unsigned int)(length + 128 - most);
	clear_host_bits(&match->prefix);
	return match;
}

/* A field or parameter of that name. */
static struct route_match *with_name(struct route_draft *draft, struct route_match *match,
				     struct route_text name, bool field)
{
	char quoted[QUOTE_SIZE];

	if (!match)
		return NULL;
	if (field ? !route_is_token(name) : !name.size || name.size > ROUTE_TEXT_MAX) {
		route_refuse(draft, "%s is no name of a %s", route_quote(name, quoted),
			     field ? "header field" : "query parameter");
		return NULL;
	}
	match->name = route_copy(draft->build, name);
	return match->name ? match : NULL;
}

enum matcher {
	HEADER,
	HEADER_REGEXP,
	HOST,
	HOST_REGEXP,
	METHOD,
	PATH,
	PATH_PREFIX,
	PATH_REGEXP,
	QUERY,
	QUERY_REGEXP,
	CLIENT_IP,
	MATCHERS
};

static const struct {
	const char *name;
	size_t least, most; /* arguments */
} matchers[MATCHERS] = {
	[HEADER] = {"Header", 2, 2},
	[HEADER_REGEXP] = {"HeaderRegexp", 2, 2},
	[HOST] = {"Host", 1, 1},
	[HOST_REGEXP] = {"HostRegexp", 1, 1},
	[METHOD] = {"Method", 1, 1},
	[PATH] = {"Path", 1, 1},
	[PATH_PREFIX] = {"PathPrefix", 1, 1},
	[PATH_REGEXP] = {"PathRegexp", 1, 1},
	[QUERY] = {"Query", 1, 2},
	[QUERY_REGEXP] = {"QueryRegexp", 1, 2},
	[CLIENT_IP] = {"ClientIP", 1, 1},
};

static struct route_match *make(struct route_draft *draft, enum matcher matcher,
				const struct arguments *arguments)
{
	const struct route_text first = arguments->items[0];
	const struct route_text second =
		arguments->n > 1 ? arguments->items[1] : (struct route_text){"", 0};

	switch (matcher) {
	case HEADER:
		return with_name(draft, route_match_text(draft->build, ROUTE_FIELD, second), first,
				 true);
	case HEADER_REGEXP:
		return with_name(draft, make_regex(draft, ROUTE_FIELD_REGEX, second), first, true);
	case HOST:
		return make_host(draft, first);
	case HOST_REGEXP:
		return make_regex(draft, ROUTE_HOST_REGEX, first);
	case METHOD:
		return make_method(draft, first);
	case PATH:
		return make_path(draft, ROUTE_PATH, first);
	case PATH_PREFIX:
		return make_path(draft, ROUTE_PATH_BEGINS, first);
	case PATH_REGEXP:
		return make_regex(draft, ROUTE_PATH_REGEX, first);
	case CLIENT_IP:
		return make_client(draft, first);
	case QUERY_REGEXP:
		if (arguments->n > 1)
			return with_name(draft, make_regex(draft, ROUTE_QUERY_REGEX, second), first,
					 false);
		/* fallthrough */
	default:
		return with_name(draft, route_match_text(draft->build, ROUTE_QUERY, second), first,
				 false);
	}
}

static struct route_match *parse_matcher(struct parser *parser)
{
	const char *name = parser->at;
	size_t size = 0, i = 0;
	struct arguments arguments;

	while (isalnum((unsigned char)name[size]))
		size++;
	while (i < MATCHERS &&
	       (strlen(matchers[i].name) != size || strncasecmp(matchers[i].name, name, size) != 0))
		i++;
	if (i == MATCHERS)
		return fail(parser, "there is no such matcher as that");
	if (parser->n++ == MATCHERS_MAX)
		return fail(parser, "the rule has too many matchers");
	parser->at += size;
	if (!parse_arguments(parser, &arguments))
		return NULL;
	if (arguments.n < matchers[i].least || arguments.n > matchers[i].most)
		return fail(parser, "the matcher has more or fewer arguments than it takes,");
	return make(parser->draft, (enum matcher)i, &arguments);
}

/* ---- the expression */

static struct route_match *parse_unary(struct parser *parser)
{
	struct route_match *match;

	if (++parser->depth > ROUTE_DEPTH_MAX)
		return fail(parser, "the rule is nested too deeply");
	if (take(parser, "!")) {
		struct route_match *child = parse_unary(parser);

		match = child ? route_match_new(parser->draft->build, ROUTE_NOT) : NULL;
		if (match)
			match->children = child;
	} else if (take(parser, "(")) {
		match = parse_or(parser);
		if (match && !take(parser, ")"))
			return fail(parser, "there must be a )");
	} else {
		match = parse_matcher(parser);
	}
	parser->depth--;
	return match;
}

/* One operand, or a node of all of them. */
static struct route_match *parse_list(struct parser *parser, const char *operator,
				      enum route_match_kind kind,
				      struct route_match *(*operand)(struct parser *parser))
{
	struct route_match *first = operand(parser), *list, **end;

	if (!first || !take(parser, operator))
		return first;
	list = route_match_new(parser->draft->build, kind);
	if (!list)
		return NULL;
	list->children = first;
	end = (struct route_match **)&first->next;
	do {
		struct route_match *next = operand(parser);

		if (!next)
			return NULL;
		*end = next;
		end = (struct route_match **)&next->next;
	} while (take(parser, operator));
	return list;
}

static struct route_match *parse_and(struct parser *parser)
{
	return parse_list(parser, "&&", ROUTE_ALL, parse_unary);
}

static struct route_match *parse_or(struct parser *parser)
{
	return parse_list(parser, "||", ROUTE_ANY, parse_and);
}

struct route_match *traefik_parse_rule(struct route_draft *draft, const char *text)
{
	struct parser parser = {.draft = draft, .at = text, .start = text};
	struct route_match *match;

	if (strlen(text) > RULE_SIZE_MAX) {
		route_refuse(draft, "is longer than %d bytes", RULE_SIZE_MAX);
		return NULL;
	}
	match = parse_or(&parser);
	skip_space(&parser);
	if (match && *parser.at)
		return fail(&parser, "there is something behind the rule,");
	return match;
}
