/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every label of Docker Flow Proxy, so that whoever comes from there is told of each that does not
 * do here what it did.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "route/dfp.h"

enum effect {
	WORKS,
	IDLE,	   /* has no effect, which changes nothing of what the service answers */
	FAILS,	   /* cannot be honoured */
	FAILS_TRUE /* likewise, if it is true */
};

static const struct known {
	const char *key;
	bool indexed;
	enum effect effect;
	const char *why;
} labels[] = {
	{"aclName", false, IDLE, "rules are ordered by path and host, not by name"},
	{"addHeader", false, WORKS, NULL},
	{"addReqHeader", false, WORKS, NULL},
	{"addResHeader", false, WORKS, NULL},
	{"allowedMethods", true, WORKS, NULL},
	{"backendExtra", false, FAILS, "HAProxy's configuration cannot be taken over"},
	{"balanceGroup", true, IDLE, "a connection goes to a service of its own"},
	{"checkResolvers", false, IDLE, "tasks are known from Swarm, not from DNS"},
	{"checkTcp", true, IDLE, "a task that fails connections is left out"},
	{"clitcpka", true, IDLE, "idle connections end by timeoutTunnel"},
	{"compressionAlgo", false, IDLE, "answers are not compressed on the way"},
	{"compressionType", false, IDLE, "answers are not compressed on the way"},
	{"connectionMode", false, IDLE,
	 "connections are always kept alive where both ends let them"},
	{"delReqHeader", false, WORKS, NULL},
	{"delResHeader", false, WORKS, NULL},
	{"deniedMethods", true, WORKS, NULL},
	{"denyHttp", true, WORKS, NULL},
	{"discoveryType", false, IDLE, "tasks are known from Swarm, not from DNS"},
	{"distribute", false, WORKS, NULL}, /* every node knows every route */
	{"httpsOnly", true, WORKS, NULL},
	{"httpsPort", true, WORKS, NULL},
	{"httpsRedirectCode", true, WORKS, NULL},
	{"ignoreAuthorization", true, WORKS, NULL},
	{"isDefaultBackend", false, WORKS, NULL},
	{"notify", false, WORKS, NULL},
	{"outboundHostname", true, FAILS, "requests go to the service's own tasks only"},
	{"pathType", true, WORKS, NULL},
	{"port", true, WORKS, NULL},
	{"proxyInstanceName", false, IDLE, "every node's proxy serves every route"},
	{"redirectFromDomain", true, WORKS, NULL},
	{"redirectUnlessHttpsProto", false, WORKS, NULL},
	{"redirectWhenHttpProto", false, WORKS, NULL},
	{"replicas", false, WORKS, NULL}, /* Swarm knows */
	{"reqMode", true, WORKS, NULL},
	{"reqPathReplace", false, WORKS, NULL},
	{"reqPathSearch", false, WORKS, NULL},
	{"reqPathSearchReplace", true, WORKS, NULL},
	{"serviceCert", false, IDLE, "a certificate in a label is not used"},
	{"serviceDomain", true, WORKS, NULL},
	{"serviceDomainAlgo", false, WORKS, NULL},
	{"serviceDomainMatchAll", false, WORKS, NULL},
	{"serviceGroup", true, IDLE, "a connection goes to a service of its own"},
	{"serviceHeader", true, WORKS, NULL},
	{"serviceName", false, IDLE, "a service is known by its own name"},
	{"servicePath", true, WORKS, NULL},
	{"servicePathExclude", true, WORKS, NULL},
	{"sessionType", false, WORKS, NULL},
	{"setHeader", false, WORKS, NULL},
	{"setReqHeader", false, WORKS, NULL},
	{"setResHeader", false, WORKS, NULL},
	{"srcHttpsPort", true, WORKS, NULL},
	{"srcPort", true, WORKS, NULL},
	{"sslVerifyNone", true, FAILS_TRUE, "tasks are spoken to without TLS"},
	{"templateBePath", false, FAILS, "HAProxy's configuration cannot be taken over"},
	{"templateFePath", false, FAILS, "HAProxy's configuration cannot be taken over"},
	{"timeoutClient", true, IDLE, "idle connections end by timeoutTunnel"},
	{"timeoutServer", true, WORKS, NULL},
	{"timeoutTunnel", true, WORKS, NULL},
	{"userAgent", true, WORKS, NULL},
	{"userDef", true, IDLE, "it is for templates"},
	{"users", false, WORKS, NULL},
	{"usersPassEncrypted", false, WORKS, NULL},
	{"usersSecret", false, FAILS,
	 "secrets of the proxy are not read: put users with hashed passwords into "
	 "com.df.users, with com.df.usersPassEncrypted=true"},
	{"verifyClientSsl", true, FAILS_TRUE, "clients' certificates are not asked for"},
};
#define N_LABELS (sizeof(labels) / sizeof(*labels))

/* Docker Flow Monitor, Cron and the rest share the prefix. */
static const char *const others[] = {"alert",	   "cron",  "metrics", "nodeInfo",
				     "reschedule", "scale", "scrape"};

static const struct known *find_known(const char *key, size_t size)
{
	for (size_t i = 0; i < N_LABELS; i++)
		if (strlen(labels[i].key) == size && strncmp(labels[i].key, key, size) == 0)
			return &labels[i];
	return NULL;
}

void dfp_refuse_unsupported(struct dfp *dfp)
{
	const struct model_service *service = dfp->draft.build->service;

	for (size_t i = 0; i < N_LABELS; i++) {
		if (labels[i].effect == FAILS && dfp_value(dfp, labels[i].key))
			route_refuse(&dfp->draft, "%s", labels[i].why);
		if (labels[i].effect == FAILS_TRUE && dfp_is_true(dfp, labels[i].key))
			route_refuse(&dfp->draft, "%s", labels[i].why);
	}
	/* A number at its end keeps it from being read, but somebody wanted a password there. */
	for (size_t i = 0; i < service->n_labels; i++) {
		dfp->draft.label = service->labels[i].key;
		if (strncmp(dfp->draft.label, DFP_PREFIX "users.", strlen(DFP_PREFIX "users.")) ==
			    0 ||
		    strncmp(dfp->draft.label, DFP_PREFIX "usersSecret.",
			    strlen(DFP_PREFIX "usersSecret.")) == 0)
			route_refuse(&dfp->draft, "users cannot be numbered");
	}
}

void dfp_refuse_http(struct dfp *dfp)
{
	static const char *const guards[] = {"allowedMethods", "deniedMethods",	     "denyHttp",
					     "httpsOnly",      "servicePathExclude", "users"};
	static const char *const ineffective[] = {
		"addHeader",	 "addReqHeader",   "addResHeader",	   "delReqHeader",
		"delResHeader",	 "httpsPort",	   "isDefaultBackend",	   "redirectFromDomain",
		"reqPathSearch", "reqPathReplace", "reqPathSearchReplace", "serviceHeader",
		"sessionType",	 "setHeader",	   "setReqHeader",	   "setResHeader",
		"userAgent"};

	/* Who asks for a guard had better have no service than one without. */
	for (size_t i = 0; i < sizeof(guards) / sizeof(*guards); i++)
		if (dfp_value(dfp, guards[i]))
			route_refuse(&dfp->draft, "cannot be honoured in the modes tcp and sni, "
						  "which see no request");
	for (size_t i = 0; i < sizeof(ineffective) / sizeof(*ineffective); i++)
		if (dfp_value(dfp, ineffective[i]))
			route_note(&dfp->draft, "has no effect in the modes tcp and sni");
}

/* The number behind the last dot, 0: none. */
static int index_of(const char *key, size_t *size)
{
	const char *dot = strrchr(key, '.');

	*size = strlen(key);
	if (!dot || !dot[1] || strspn(dot + 1, "0123456789") != strlen(dot + 1) ||
	    strlen(dot + 1) > 4)
		return 0;
	*size = (size_t)(dot - key);
	return (int)strtol(dot + 1, NULL, 10);
}

static void note_label(struct route_draft *draft, const char *value, int n_indexes)
{
	const char *key = draft->label + strlen(DFP_PREFIX);
	const struct known *known;
	size_t size;
	int index = index_of(key, &size);

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (strncmp(key, others[i], strlen(others[i])) == 0)
			return;
	known = find_known(key, size);
	if (!known)
		route_note(draft, "is no label of Docker Flow Proxy: it has no effect");
	else if (index && !known->indexed)
		route_note(draft, "takes no number: it has no effect");
	else if (index > n_indexes)
		route_note(draft,
			   "the numbers end before it (servicePath, port or serviceDomain of "
			   "one are missing, or there are more than 10): it has no effect");
	else if (known->effect == IDLE)
		route_note(draft, "has no effect: %s", known->why);
	else if (strcmp(key, "sessionType") == 0 && strcmp(value, "sticky-server") != 0)
		route_note(draft, "has no effect: only sticky-server does anything");
}

void dfp_note_ineffective(struct route_build *build, int n_indexes)
{
	struct route_draft draft;

	route_draft_begin(&draft, build, "");
	for (size_t i = 0; i < build->service->n_labels; i++) {
		draft.label = build->service->labels[i].key;
		if (strncmp(draft.label, DFP_PREFIX, strlen(DFP_PREFIX)) == 0)
			note_label(&draft, build->service->labels[i].value, n_indexes);
	}
}
