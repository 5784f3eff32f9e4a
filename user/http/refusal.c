/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/refusal.h"

const struct http_refusal_facts *http_refusal_facts(enum http_refusal refusal)
{
	static const struct http_refusal_facts facts[HTTP_N_REFUSALS] = {
		[HTTP_NOT_REFUSED] = {"NOT_REFUSED", "", "nothing is wrong", 200},
#define X(name, status, section, text) [HTTP_REFUSED_##name] = {#name, section, text, status},
		HTTP_REFUSALS(X)
#undef X
	};

	return &facts[refusal];
}
