/* SPDX-License-Identifier: GPL-2.0-only */
/* Map entries in words, for `skep verify`. names: the table of service_names, sorted. */
#ifndef SKEP_DATAPATH_DESCRIBE_H
#define SKEP_DATAPATH_DESCRIBE_H

#include <stdint.h>

#include "datapath/table.h"

struct describe_text {
	char text[256];
};

void describe_service(const struct table *names, uint32_t service_id, struct describe_text *text);
void describe_name(const struct table *names, const void *key, const void *value,
		   struct describe_text *text);
void describe_frontend(const struct table *names, const void *key, const void *value,
		       struct describe_text *text);
void describe_allow(const struct table *names, const void *key, const void *value,
		    struct describe_text *text);
void describe_task(const struct table *names, const void *key, const void *value,
		   struct describe_text *text);
void describe_node(const struct table *names, const void *key, const void *value,
		   struct describe_text *text);

#endif
