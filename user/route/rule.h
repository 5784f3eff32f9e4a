/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A rule of HTTP routing: which requests it takes, what is done to them, and whose tasks get them.
 * All vocabularies of labels are read into this one form. Made once with a table (route/table.h),
 * never changed; everything lives in the table's arena.
 */
#ifndef SKEP_ROUTE_RULE_H
#define SKEP_ROUTE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "route/regex.h"
#include "route/request.h"

enum route_vocabulary {
	ROUTE_SKEP,    /* skep.http.* */
	ROUTE_DFP,     /* com.df.*, Docker Flow Proxy's */
	ROUTE_TRAEFIK, /* traefik.* */
	ROUTE_VOCABULARIES
};

/* What a request is asked: a tree. Leaves compare one thing with text, all of it unless said. */
enum route_match_kind {
	ROUTE_ALL,  /* of the children; of none: true */
	ROUTE_ANY,  /* of the children; of none: false */
	ROUTE_NOT,  /* the only child */
	ROUTE_MODE, /* number; those of rules that are not for HTTP */
	ROUTE_ENTRY,
	ROUTE_PORT, /* that it came in on: number */
	ROUTE_TLS,
	ROUTE_HOST,	   /* hosts: case does not matter, text is in lower case */
	ROUTE_HOST_UNDER,  /* text ".example.com": any name that ends so, of any depth */
	ROUTE_HOST_CHILD,  /* text ".example.com": one label more */
	ROUTE_HOST_BEGINS, /* plain text, whatever follows: HAProxy's hdr_beg */
	ROUTE_HOST_ENDS,   /* hdr_end */
	ROUTE_HOST_DOMAIN, /* hdr_dom: text anywhere, between dots or ends */
	ROUTE_HOST_REGEX,
	ROUTE_PATH,
	ROUTE_PATH_UNDER,  /* `/a`: /a, /a/, /a/b, not /ab */
	ROUTE_PATH_BEGINS, /* `/a`: /ab, too */
	ROUTE_PATH_REGEX,  /* found anywhere in it */
	ROUTE_METHOD,
	ROUTE_FIELD,	      /* a field `name` with this value */
	ROUTE_FIELD_ELEMENT,  /* or with this among those between its commas */
	ROUTE_FIELD_CONTAINS, /* or with this in it, in any case */
	ROUTE_FIELD_REGEX,
	ROUTE_QUERY, /* a parameter `name` with this value, percent-decoded */
	ROUTE_QUERY_REGEX,
	ROUTE_CLIENT, /* prefix */
};

struct route_match {
	enum route_match_kind kind;
	const struct route_match *children; /* the first */
	const struct route_match *next;	    /* sibling */
	const char *name;		    /* of a field or parameter */
	const char *text;
	size_t size; /* of text */
	const struct route_regex *regex;
	struct addr_prefix prefix;
	uint16_t number;
};

struct route_user {
	const struct route_user *next;
	const char *name;
	const char *secret; /* a crypt(5) hash, an $apr1$ or {SHA} one, or the password itself */
	bool plain;
};

struct route_users {
	const struct route_user *first;
	const char *realm;
	bool keep_field; /* Authorization goes on to the task */
};

/* What is done to a request that was taken, step after step. */
enum route_step_kind {
	ROUTE_STRIP,	       /* text (NULL: the rule's prefix) off the path's beginning */
	ROUTE_ADD_PREFIX,      /* text */
	ROUTE_SET_PATH,	       /* text */
	ROUTE_REWRITE,	       /* what regex finds first in the path becomes replacement */
	ROUTE_REDIRECT_SCHEME, /* text, and port if it is not 0; with `status` */
	ROUTE_REDIRECT,	       /* to text; whole: as it is, else with path and query behind it */
	ROUTE_REDIRECT_REGEX,  /* the URL, if regex finds itself in it, becomes replacement */
	ROUTE_AUTHENTICATE,    /* users, else 401 */
	ROUTE_REFUSE,	       /* with `status` */
};

struct route_step {
	enum route_step_kind kind;
	const struct route_step *next;
	const struct route_match *when; /* NULL: always */
	const char *text;
	size_t size;
	const struct route_regex *regex;
	const struct route_replacement *replacement;
	const struct route_users *users;
	uint16_t status;
	uint16_t port;
	bool whole;
	bool every;	/* ROUTE_REWRITE: not only the first */
	bool more;	/* ROUTE_STRIP: the next step is instead of this one */
	bool tell;	/* the task is told what was taken off (X-Forwarded-Prefix) or replaced
			   (X-Replaced-Path) */
	bool by_method; /* of status: for other methods than GET 307 for 302, 308 for 301 */
};

enum route_field_action {
	ROUTE_FIELD_SET,
	ROUTE_FIELD_ADD,
	ROUTE_FIELD_REMOVE
};

struct route_field { /* a change to the head that is sent on */
	const struct route_field *next;
	enum route_field_action action;
	bool response; /* of the answer, else of the request */
	const char *name;
	const char *value;
};

struct route_sticky { /* cookie NULL: none */
	const char *cookie;
	const char *path;      /* NULL: "/" */
	const char *same_site; /* NULL, "Lax", "Strict", "None" */
	bool secure, http_only;
};

struct route_check { /* of health, by asking; path NULL: none */
	const char *path;
	const char *method;   /* NULL: GET */
	const char *host;     /* NULL: the task's address */
	uint16_t port;	      /* 0: the rule's */
	uint16_t status;      /* 0: 200 to 399 */
	uint32_t interval_ms; /* 0: the proxy's own, and so below */
	uint32_t timeout_ms;
};

/*
 * Where a rule stands among all, compared from the top: priority, exact, length and the rest, then
 * the service's age and name.
 */
struct route_order {
	int32_t priority;    /* the higher the earlier */
	bool exact;	     /* an exact path goes first */
	uint32_t length;     /* of the path's prefix; of a regex: the text it must begin with */
	bool regex;	     /* before a prefix of the same length */
	uint32_t conditions; /* others than the path */
	uint32_t host;	     /* of as many: the more exactly a host is told */
};

struct route_rule {
	const char *service; /* its name */
	const char *service_id;
	int64_t created_ms; /* the service; 0: not known, younger than any */
	enum route_vocabulary vocabulary;
	const char *name;  /* of the rule within its service: "", "2", "admin" */
	unsigned int part; /* its number in the service: one name makes a rule for each path */
	uint16_t port;	   /* of the tasks */
	enum route_mode mode;
	uint16_t entry_port;	/* of a mode that is not HTTP: where connections come in */
	uint8_t proxy_protocol; /* its version that tasks are greeted with; 0: they are not */
	const char *network;	/* by which tasks are reached; NULL: any */

	const struct route_match *match;
	struct route_text prefix; /* of its path, or all of it; size 0: none */
	const struct route_step *steps;
	const struct route_field *fields;
	struct route_sticky sticky;
	struct route_check check;
	uint32_t timeout_ms; /* for the answer to begin and to go on; 0: the proxy's own */
	uint32_t tunnel_ms;  /* an idle tunnel lives; 0: the proxy's own */

	struct route_order order;
	int64_t own_order; /* Traefik's: among its own rules, the higher the earlier */
	const struct route_rule *beside; /* Traefik's: the rule whose place it has, itself mostly */
	uint32_t rank;			 /* in the table, 0 is first */
};

/* Why a rule is not in force, or (note) what of it has no effect. */
struct route_problem {
	const char *service;
	enum route_vocabulary vocabulary;
	const char *rule;  /* its name, "" */
	const char *label; /* the key */
	const char *why;   /* one line */
	bool note;
};

const char *route_vocabulary_name(enum route_vocabulary vocabulary); /* "skep", "dfp", "traefik" */

#endif
