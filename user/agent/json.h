/* SPDX-License-Identifier: GPL-2.0-only */
/* JSON values of what the views show. The caller's reference; NULL if memory is short. */
#ifndef SKEP_AGENT_JSON_H
#define SKEP_AGENT_JSON_H

#include <jansson.h>

#include "skep/addr.h"

/*
 * NULL is null. JSON takes UTF-8 only: in text that is not (paths in error messages), other than
 * printable ASCII becomes '?'.
 */
json_t *json_from_text(const char *text);

/* The zero address is null. */
json_t *json_from_addr(const struct skep_addr *addr);

#endif
