/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the readers of labels make rules with. A reader is a function of one service: it adds the
 * rules that its labels say, and tells what cannot be honoured; a rule of which anything cannot is
 * not added. Not for others.
 */
#ifndef SKEP_ROUTE_BUILD_H
#define SKEP_ROUTE_BUILD_H

#include "lib/array.h"
#include "model/arena.h"
#include "model/model.h"
#include "route/rule.h"

/* Bounds on what one service may say. */
#define ROUTE_LIST_MAX	64   /* elements of a list */
#define ROUTE_RULES_MAX 1000 /* of one service */
#define ROUTE_DEPTH_MAX 16   /* of a tree */
#define ROUTE_TEXT_MAX	1024 /* bytes of a path, a value, … */

struct route_build {
	struct arena *arena;
	struct array rules;    /* struct route_rule * */
	struct array problems; /* struct route_problem */
	bool no_memory;

	/* Of the service being read. */
	const struct model_service *service;
	enum route_vocabulary vocabulary;
	const char *service_name, *service_id; /* in the arena */
	size_t n_rules;
};

/* A rule being read. Whatever is read is read to the end, so that all its problems are told. */
struct route_draft {
	struct route_build *build;
	const char *name;
	const char *label;	 /* the key whose value is being read */
	struct route_rule rule;	 /* copied for each path */
	struct route_match *all; /* conditions but the path */
	struct route_match *last;
	const struct route_step **steps_end;
	const struct route_field **fields_end;
	bool failed;
};

void route_draft_begin(struct route_draft *draft, struct route_build *build, const char *name);

/* Of the label being read: says why, and that this rule is lost. False, always. */
bool route_refuse(struct route_draft *draft, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Says what has no effect. */
void route_note(struct route_draft *draft, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A copy in the arena. NULL: no memory, noted. */
const char *route_copy(struct route_build *build, struct route_text text);
struct route_match *route_match_new(struct route_build *build, enum route_match_kind kind);
/* A leaf with text. */
struct route_match *route_match_text(struct route_build *build, enum route_match_kind kind,
				     struct route_text text);
/* Puts child at the end of parent's. */
void route_match_add(struct route_match *parent, struct route_match *child);
/* One more condition of the rule; NULL is passed over (no memory). */
void route_require(struct route_draft *draft, struct route_match *match);
struct route_step *route_step_new(struct route_draft *draft, enum route_step_kind kind);
struct route_field *route_field_new(struct route_draft *draft, enum route_field_action action,
				    bool response, struct route_text name, struct route_text value);

/* The label that says how tasks are told of clients, whatever labels made the rule. */
#define ROUTE_PROXY_PROTOCOL "skep.http.proxy-protocol"

/* Adds the rule with this path (NULL: any), unless it has failed. */
void route_draft_add(struct route_draft *draft, struct route_match *path);

/* ---- values */

struct route_text route_text_of(const char *text);
/*
 * The next element of a list, without space around it, *at moved behind it. False: there is none,
 * or one too many (refused).
 */
struct route_list {
	struct route_draft *draft;
	const char *at; /* NULL: at the end */
	char separator;
	size_t n;
};
bool route_list_next(struct route_list *list, struct route_text *element);

const char *route_quote(struct route_text text, char buffer[72]);
bool route_read_number(struct route_draft *draft, struct route_text text, int64_t least,
		       int64_t most, int64_t *number);
bool route_read_port(struct route_draft *draft, struct route_text text, uint16_t *port);
bool route_read_bool(struct route_draft *draft, struct route_text text, bool *value);
/* "30", "30s", "500ms", "2m", "1h"; more than 0, up to a day. */
bool route_read_time(struct route_draft *draft, struct route_text text, uint32_t *ms);
/* A token as RFC 9110 has them: a method, the name of a field or cookie. */
bool route_is_token(struct route_text text);
/* What may be the value of a field. */
bool route_is_field_value(struct route_text text);
/* A name of letters, digits, `-`, `_` and others, of up to most bytes. */
bool route_is_name(struct route_text text, const char *others, size_t most);
/* A host's name, or address; in lower case in the arena. */
bool route_read_host(struct route_draft *draft, struct route_text text, const char **host);
/*
 * A path as requests have them when they are compared: no query, no dot segments, and
 * percent-encoding as in normalised ones.
 */
bool route_read_path(struct route_draft *draft, struct route_text text, struct route_text *path);
bool route_read_regex(struct route_draft *draft, struct route_text text, bool any_case,
		      const struct route_regex **regex);
/* Characters that may stand in a path, and in a URL. */
extern const char route_path_characters[], route_url_characters[];
/* http://… or https://… and nothing that breaks a Location. */
bool route_read_url(struct route_draft *draft, struct route_text text, const char **url);
/* NAME:SECRET,… ; plain: passwords, else hashes. */
const struct route_users *route_read_users(struct route_draft *draft, const char *value,
					   bool plain);

/* For a redirect to a scheme: when the request neither came by it nor, as a proxy in front says in
 * X-Forwarded-Proto, to that one. NULL: no memory. */
struct route_match *route_unless_scheme(struct route_draft *draft, bool https);

/* ---- the readers */

void route_read_skep(struct route_build *build);
void route_read_dfp(struct route_build *build);
void route_read_traefik(struct route_build *build);

#endif
