/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/apply.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "route/match.h"

#define HALF (ROUTE_BUFFER_SIZE / 2)

/* A request on its way through the steps. */
struct way {
	struct route_request request; /* with the path as it is by now */
	struct route_text original;   /* path */
	const struct route_rule *rule;
	struct route_scratch *scratch;
	struct auth_cache *cache;
	char *halves[2]; /* the path is in one of them, or still the request's */
	unsigned int next;
	bool rewritten;
	bool stripped; /* by the last step */
	struct route_result *result;
};

static bool answer(struct way *way, uint16_t status)
{
	way->result->outcome = ROUTE_ANSWER;
	way->result->status = status;
	return false;
}

/* The half that the path is not in. */
static char *spare(const struct way *way)
{
	return way->halves[way->next];
}

static void take_spare(struct way *way, size_t size)
{
	way->request.path = (struct route_text){spare(way), size};
	way->next = !way->next;
	way->rewritten = true;
}

static bool set_path(struct way *way, struct route_text first, struct route_text second)
{
	char *to = spare(way);
	bool slash = first.size ? *first.data != '/' : !second.size || *second.data != '/';

	if (slash + first.size + second.size > HALF)
		return answer(way, 414);
	if (slash)
		*to = '/';
	if (first.size)
		memcpy(to + slash, first.data, first.size);
	if (second.size)
		memcpy(to + slash + first.size, second.data, second.size);
	take_spare(way, slash + first.size + second.size);
	return true;
}

static bool strip(struct way *way, const struct route_step *step)
{
	struct route_text prefix =
		step->text ? (struct route_text){step->text, step->size} : way->rule->prefix;
	struct route_text path = way->request.path;

	if (prefix.size == 0 || path.size < prefix.size ||
	    memcmp(path.data, prefix.data, prefix.size) != 0)
		return true;
	/* `/` and `/a/` end with the slash that what is left begins with. */
	if (!step->text && prefix.data[prefix.size - 1] == '/')
		prefix.size--;
	if (step->tell)
		way->result->stripped = prefix;
	way->stripped = true;
	path.data += prefix.size;
	path.size -= prefix.size;
	return set_path(way, path, (struct route_text){"", 0});
}

static void tell_replaced(struct way *way, const struct route_step *step)
{
	if (step->tell)
		way->result->replaced = way->original;
}

static bool rewrite(struct way *way, const struct route_step *step)
{
	size_t size;
	int found = route_regex_replace(step->regex, way->scratch, step->replacement, step->every,
					way->request.path, spare(way), HALF, &size);

	if (found == ROUTE_NOT_FOUND)
		return true;
	if (found != ROUTE_FOUND)
		return answer(way, found == ROUTE_GAVE_UP ? 500 : 414);
	take_spare(way, size);
	tell_replaced(way, step);
	if (size && *way->request.path.data == '/')
		return true;
	return set_path(way, way->request.path, (struct route_text){"", 0});
}

/* What goes into a Location from the request. The parser has looked at it, but this is cheap. */
static bool is_plain(struct route_text text)
{
	for (size_t i = 0; i < text.size; i++)
		if (!isgraph((unsigned char)text.data[i]) || strchr("\"<>\\", text.data[i]))
			return false;
	return true;
}

static uint16_t redirect_status(const struct way *way, const struct route_step *step)
{
	const struct route_text method = way->request.method;

	if (!step->by_method || (method.size == 3 && memcmp(method.data, "GET", 3) == 0))
		return step->status;
	return step->status == 301 ? 308 : 307;
}

static bool redirect(struct way *way, const struct route_step *step, int written)
{
	if (written < 0 || written >= HALF)
		return answer(way, 414);
	way->result->outcome = ROUTE_REDIRECTION;
	way->result->status = redirect_status(way, step);
	way->result->location = (struct route_text){spare(way), (size_t)written};
	return false;
}

/* A URL of parts; host may be "". */
static int write_url(struct way *way, const char *scheme, uint16_t port)
{
	const struct route_request *request = &way->request;
	char number[8] = "";

	if (port)
		snprintf(number, sizeof(number), ":%u", port);
	return snprintf(spare(way), HALF, "%s://%.*s%s%.*s%s%.*s", scheme, (int)request->host.size,
			request->host.data, number, (int)request->path.size, request->path.data,
			request->query.size ? "?" : "", (int)request->query.size,
			request->query.data);
}

static bool may_be_in_location(struct way *way)
{
	return way->request.path.size + way->request.query.size < HALF &&
	       way->request.host.size < 512 && is_plain(way->request.host) &&
	       is_plain(way->request.path) && is_plain(way->request.query);
}

static bool redirect_scheme(struct way *way, const struct route_step *step)
{
	if (!may_be_in_location(way) || !way->request.host.size)
		return answer(way, 400);
	return redirect(way, step, write_url(way, step->text, step->port));
}

static bool redirect_url(struct way *way, const struct route_step *step)
{
	const struct route_request *request = &way->request;

	if (step->whole)
		return redirect(way, step, snprintf(spare(way), HALF, "%s", step->text));
	if (!may_be_in_location(way))
		return answer(way, 400);
	return redirect(way, step,
			snprintf(spare(way), HALF, "%s%.*s%s%.*s", step->text,
				 (int)request->path.size, request->path.data,
				 request->query.size ? "?" : "", (int)request->query.size,
				 request->query.data));
}

static bool is_default_port(const struct route_request *request)
{
	return request->port == (request->tls ? 443 : 80);
}

/* The expression looks at the whole URL; the result is a URL, or a path. */
static bool redirect_regex(struct way *way, const struct route_step *step)
{
	const struct route_request *request = &way->request;
	size_t size;
	int written, found;
	char *location;

	if (!may_be_in_location(way))
		return answer(way, 400);
	written = write_url(way, request->tls ? "https" : "http",
			    is_default_port(request) ? 0 : request->port);
	if (written >= HALF)
		return answer(way, 414);
	location = spare(way) + written;
	found = route_regex_replace(step->regex, way->scratch, step->replacement, false,
				    (struct route_text){spare(way), (size_t)written}, location,
				    HALF - (size_t)written, &size);
	if (found == ROUTE_NOT_FOUND)
		return true;
	if (found != ROUTE_FOUND)
		return answer(way, found == ROUTE_GAVE_UP ? 500 : 414);
	/* To itself would be for ever. */
	if (size == (size_t)written && memcmp(location, spare(way), size) == 0)
		return true;
	way->result->outcome = ROUTE_REDIRECTION;
	way->result->status = redirect_status(way, step);
	way->result->location = (struct route_text){location, size};
	return false;
}

static bool authenticate(struct way *way, const struct route_step *step)
{
	const struct route_request *request = &way->request;
	enum auth_verdict verdict = AUTH_REFUSED;
	struct route_text credentials, second;

	/* Several would let the task read another one than was checked. */
	if (request->field(request->context, "Authorization", 0, &credentials) &&
	    !request->field(request->context, "Authorization", 1, &second))
		verdict = auth_check(step->users, credentials, &request->client, way->cache);
	if (verdict == AUTH_LATER)
		return answer(way, ROUTE_STATUS_LATER);
	if (verdict == AUTH_ACCEPTED) {
		if (!step->users->keep_field)
			way->result->drop_authorization = true;
		return true;
	}
	way->result->outcome = ROUTE_CHALLENGE;
	way->result->status = 401;
	way->result->realm = step->users->realm;
	return false;
}

/* False: the way ends here, and result says how. */
static bool take_step(struct way *way, const struct route_step *step)
{
	if (step->when) {
		enum route_found found = route_matches(step->when, &way->request, way->scratch);

		if (found == ROUTE_GAVE_UP)
			return answer(way, 500);
		if (found == ROUTE_NOT_FOUND)
			return true;
	}
	switch (step->kind) {
	case ROUTE_STRIP:
		return strip(way, step);
	case ROUTE_ADD_PREFIX:
		return set_path(way, (struct route_text){step->text, step->size},
				way->request.path);
	case ROUTE_SET_PATH:
		tell_replaced(way, step);
		return set_path(way, (struct route_text){step->text, step->size},
				(struct route_text){"", 0});
	case ROUTE_REWRITE:
		return rewrite(way, step);
	case ROUTE_REDIRECT_SCHEME:
		return redirect_scheme(way, step);
	case ROUTE_REDIRECT:
		return redirect_url(way, step);
	case ROUTE_REDIRECT_REGEX:
		return redirect_regex(way, step);
	case ROUTE_AUTHENTICATE:
		return authenticate(way, step);
	default:
		return answer(way, step->status);
	}
}

/* A dot, or one that is written as %2e. */
static size_t dot_size(struct route_text path, size_t at)
{
	if (at < path.size && path.data[at] == '.')
		return 1;
	return path.size - at >= 3 && path.data[at] == '%' && path.data[at + 1] == '2' &&
			       (path.data[at + 2] == 'e' || path.data[at + 2] == 'E')
		       ? 3
		       : 0;
}

/*
 * Taking something out of a path can put together what the parser would not have let through:
 * /a../x without /a climbs out of where it should be.
 */
static bool is_sound(struct route_text path)
{
	for (size_t i = 0; i < path.size; i++) {
		size_t end = i + 1, dots = 0, size;

		if (path.data[i] == '%' &&
		    (path.size - i < 3 || !isxdigit((unsigned char)path.data[i + 1]) ||
		     !isxdigit((unsigned char)path.data[i + 2])))
			return false;
		if (path.data[i] != '/')
			continue;
		for (; end < path.size && (size = dot_size(path, end)); end += size)
			dots++;
		if ((dots == 1 || dots == 2) && (end == path.size || path.data[end] == '/'))
			return false;
	}
	return true;
}

void route_apply(const struct route_rule *rule, const struct route_request *request,
		 struct route_scratch *scratch, struct auth_cache *cache, char *buffer,
		 struct route_result *result)
{
	struct way way = {
		.request = *request,
		.original = request->path,
		.rule = rule,
		.scratch = scratch,
		.cache = cache,
		.halves = {buffer, buffer + HALF},
		.result = result,
	};

	*result = (struct route_result){.outcome = ROUTE_FORWARD};
	for (const struct route_step *step = rule->steps; step; step = step->next) {
		bool stripped = way.stripped;

		/* One of several prefixes that are alternatives is off: pass over the others. */
		way.stripped = stripped && step->more;
		if (!stripped && !take_step(&way, step))
			return;
		way.stripped = way.stripped && step->more;
	}
	if (way.rewritten && !is_sound(way.request.path)) {
		answer(&way, 400);
		return;
	}
	result->path = way.request.path;
}
