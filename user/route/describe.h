/* SPDX-License-Identifier: GPL-2.0-only */
/* Rules in words, for people. What labels held is printed as it is: escape it for a terminal. */
#ifndef SKEP_ROUTE_DESCRIBE_H
#define SKEP_ROUTE_DESCRIBE_H

#include <stdio.h>

#include "route/rule.h"

/* Where a rule is written: "skep.http.admin", "com.df .2", "traefik.http.routers.web". */
void describe_origin(enum route_vocabulary vocabulary, const char *name, FILE *out);

/* "host books.example.com or *.books.example.com", "not (path /metrics…)". */
void describe_match(const struct route_match *match, FILE *out);

/* A column of the list: what all requests must have of one kind; nothing is printed if the rule
 * does not ask. */
enum describe_column {
	DESCRIBE_ENTRY,
	DESCRIBE_HOST,
	DESCRIBE_PATH,
	DESCRIBE_OTHERS
};
void describe_conditions(const struct route_rule *rule, enum describe_column column, FILE *out);

/* "strip, https redirect, users, sticky cookie skep, timeout 30 s". */
void describe_actions(const struct route_rule *rule, FILE *out);

#endif
