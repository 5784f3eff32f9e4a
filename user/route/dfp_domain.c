/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "model/check.h"
#include "route/dfp.h"

static const struct {
	const char *name;
	enum route_match_kind kind;
} algorithms[] = {
	{"hdr_beg(host)", ROUTE_HOST_BEGINS},
	{"hdr_end(host)", ROUTE_HOST_ENDS},
	{"hdr_dom(host)", ROUTE_HOST_DOMAIN},
	{"hdr(host)", ROUTE_HOST},
};

/* Has any element of a list of domains a leading `*`? */
static bool has_star(const char *value)
{
	while (value) {
		value += strspn(value, " \t");
		if (*value == '*')
			return true;
		value = strchr(value, ',');
		value = value ? value + 1 : NULL;
	}
	return false;
}

/* One such domain makes all of the service's match at their end. */
static bool service_has_star(const struct model_service *service)
{
	static const char key[] = DFP_PREFIX "serviceDomain";

	for (size_t i = 0; i < service->n_labels; i++) {
		const char *rest = service->labels[i].key + sizeof(key) - 1;

		if (strncmp(service->labels[i].key, key, sizeof(key) - 1) == 0 &&
		    (!*rest || *rest == '.') && has_star(service->labels[i].value))
			return true;
	}
	return false;
}

static enum route_match_kind find_algorithm(struct dfp *dfp)
{
	const char *value = dfp_value(dfp, "serviceDomainAlgo");

	if (service_has_star(dfp->draft.build->service))
		return ROUTE_HOST_ENDS;
	for (size_t i = 0; value && i < sizeof(algorithms) / sizeof(*algorithms); i++)
		if (strcmp(value, algorithms[i].name) == 0)
			return algorithms[i].kind;
	if (value)
		route_refuse(&dfp->draft, "only hdr, hdr_beg, hdr_end and hdr_dom of (host) are "
					  "supported");
	/* HAProxy compares the name of a TLS client as a whole. */
	if (dfp->mode == ROUTE_SNI)
		return ROUTE_HOST;
	return dfp_is_true(dfp, "serviceDomainMatchAll") ? ROUTE_HOST_DOMAIN : ROUTE_HOST_BEGINS;
}

static struct route_match *read_domain(struct dfp *dfp, struct route_text text,
				       enum route_match_kind kind)
{
	struct route_match *match;
	const char *host;

	while (text.size && *text.data == '*')
		text.data++, text.size--;
	if (!route_read_host(&dfp->draft, text, &host))
		return NULL;
	if (!dfp->first_domain)
		dfp->first_domain = host;
	match = route_match_new(dfp->draft.build, kind);
	if (match) {
		match->text = host;
		match->size = strlen(host);
	}
	return match;
}

void dfp_read_domains(struct dfp *dfp)
{
	struct route_list list = {.draft = &dfp->draft, .separator = ','};
	enum route_match_kind kind = find_algorithm(dfp);
	struct route_text element;
	struct route_match *any;

	list.at = dfp_value(dfp, "serviceDomain");
	if (!list.at)
		return;
	any = route_match_new(dfp->draft.build, ROUTE_ANY);
	while (any && route_list_next(&list, &element)) {
		struct route_match *match = read_domain(dfp, element, kind);

		if (match)
			route_match_add(any, match);
	}
	route_require(&dfp->draft, any);
}

/* A redirect of a whole domain goes before any rule, as in HAProxy's frontend. */
void dfp_add_redirects(struct dfp *dfp)
{
	struct route_list list = {.draft = &dfp->draft, .separator = ','};
	struct route_draft redirect;
	struct route_text element;
	struct route_match *any;
	struct route_step *step;
	char url[ROUTE_TEXT_MAX] = "http://";

	list.at = dfp_value(dfp, "redirectFromDomain");
	if (!list.at || dfp->https || dfp->draft.failed)
		return;
	if (!dfp->first_domain) {
		route_refuse(&dfp->draft, "there is no serviceDomain to redirect to");
		return;
	}
	route_draft_begin(&redirect, dfp->draft.build, dfp->draft.name);
	redirect.label = dfp->draft.label;
	list.draft = &redirect;
	any = route_match_new(redirect.build, ROUTE_ANY);
	while (any && route_list_next(&list, &element)) {
		struct route_match *match;
		const char *host;

		if (!route_read_host(&redirect, element, &host))
			continue;
		match = route_match_text(redirect.build, ROUTE_HOST_BEGINS, route_text_of(host));
		if (match)
			route_match_add(any, match);
	}
	route_require(&redirect, any);
	step = route_step_new(&redirect, ROUTE_REDIRECT);
	if (!step)
		return;
	strncat(url, dfp->first_domain, sizeof(url) - sizeof("http://"));
	step->text = route_copy(redirect.build, route_text_of(url));
	step->status = 301;
	redirect.rule.port = dfp->draft.rule.port;
	redirect.rule.order.priority = INT32_MAX;
	route_draft_add(&redirect, NULL);
}
