/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/json.h"

#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"

json_t *json_from_text(const char *text)
{
	json_t *json;

	if (!text)
		return json_null();
	json = json_string(text);
	if (!json) {
		char *copy = strdup(text);

		for (char *at = copy; at && *at; at++)
			if (*at < ' ' || *at > '~')
				*at = '?';
		json = copy ? json_string(copy) : NULL;
		free(copy);
	}
	return json;
}

json_t *json_from_addr(const struct skep_addr *addr)
{
	char text[ADDR_TEXT_SIZE];

	return skep_addr_is_zero(addr) ? json_null() : json_string(addr_text(addr, text));
}
