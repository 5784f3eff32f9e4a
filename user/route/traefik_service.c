/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "model/check.h"
#include "route/traefik.h"

#define PREFIX		  "traefik.http.services"
#define CHECK_INTERVAL_MS 30000
#define CHECK_TIMEOUT_MS  5000
#define STICKY_COOKIE	  "skep"

struct reading {
	struct route_draft *draft;
	bool sticky;
	const char *cookie;
};

static void read_port(struct reading *reading, struct route_text value)
{
	route_read_port(reading->draft, value, &reading->draft->rule.port);
}

static void must_be(struct reading *reading, struct route_text value, const char *wanted,
		    const char *why)
{
	if (value.size != strlen(wanted) || strncasecmp(value.data, wanted, value.size) != 0)
		route_refuse(reading->draft, "only %s is supported: %s", wanted, why);
}

static void read_scheme(struct reading *reading, struct route_text value)
{
	must_be(reading, value, "http", "tasks are spoken to without TLS");
}

static void read_pass_host(struct reading *reading, struct route_text value)
{
	must_be(reading, value, "true", "tasks get the Host that the client sent");
}

static void read_check_path(struct reading *reading, struct route_text value)
{
	struct route_text path;

	if (route_read_path(reading->draft, value, &path))
		reading->draft->rule.check.path = path.data;
}

static void read_check_interval(struct reading *reading, struct route_text value)
{
	route_read_time(reading->draft, value, &reading->draft->rule.check.interval_ms);
}

static void read_check_timeout(struct reading *reading, struct route_text value)
{
	route_read_time(reading->draft, value, &reading->draft->rule.check.timeout_ms);
}

static void read_check_port(struct reading *reading, struct route_text value)
{
	route_read_port(reading->draft, value, &reading->draft->rule.check.port);
}

static void read_check_status(struct reading *reading, struct route_text value)
{
	int64_t status;

	if (route_read_number(reading->draft, value, 100, 599, &status))
		reading->draft->rule.check.status = (uint16_t)status;
}

static void read_check_method(struct reading *reading, struct route_text value)
{
	if (!route_is_token(value))
		route_refuse(reading->draft, "is no method");
	else
		reading->draft->rule.check.method = route_copy(reading->draft->build, value);
}

static void read_check_host(struct reading *reading, struct route_text value)
{
	route_read_host(reading->draft, value, &reading->draft->rule.check.host);
}

static void read_check_scheme(struct reading *reading, struct route_text value)
{
	must_be(reading, value, "http", "tasks are spoken to without TLS");
}

static void read_sticky(struct reading *reading, struct route_text value)
{
	route_read_bool(reading->draft, value, &reading->sticky);
}

static void read_cookie_name(struct reading *reading, struct route_text value)
{
	if (!route_is_token(value))
		route_refuse(reading->draft, "the cookie's name is no token (RFC 6265)");
	else
		reading->cookie = route_copy(reading->draft->build, value);
	reading->sticky = true;
}

static void read_secure(struct reading *reading, struct route_text value)
{
	route_read_bool(reading->draft, value, &reading->draft->rule.sticky.secure);
	reading->sticky = true;
}

static void read_http_only(struct reading *reading, struct route_text value)
{
	route_read_bool(reading->draft, value, &reading->draft->rule.sticky.http_only);
	reading->sticky = true;
}

static void read_cookie_path(struct reading *reading, struct route_text value)
{
	struct route_text path;

	if (route_read_path(reading->draft, value, &path))
		reading->draft->rule.sticky.path = path.data;
	reading->sticky = true;
}

static void read_same_site(struct reading *reading, struct route_text value)
{
	static const char *const words[] = {"Lax", "Strict", "None"};

	reading->sticky = true;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (value.size == strlen(words[i]) &&
		    strncasecmp(value.data, words[i], value.size) == 0) {
			reading->draft->rule.sticky.same_site = words[i];
			return;
		}
	route_refuse(reading->draft, "is none of lax, strict, none");
}

static void pass_over(struct reading *reading, struct route_text value)
{
	(void)value;
	route_note(reading->draft, "has no effect: bodies always go on as they come");
}

static const struct {
	const char *option;
	void (*read)(struct reading *reading, struct route_text value);
} options[] = {
	{"loadbalancer.server.port", read_port},
	{"loadbalancer.server.scheme", read_scheme},
	{"loadbalancer.passhostheader", read_pass_host},
	{"loadbalancer.healthcheck.path", read_check_path},
	{"loadbalancer.healthcheck.interval", read_check_interval},
	{"loadbalancer.healthcheck.timeout", read_check_timeout},
	{"loadbalancer.healthcheck.port", read_check_port},
	{"loadbalancer.healthcheck.status", read_check_status},
	{"loadbalancer.healthcheck.method", read_check_method},
	{"loadbalancer.healthcheck.hostname", read_check_host},
	{"loadbalancer.healthcheck.scheme", read_check_scheme},
	{"loadbalancer.sticky", read_sticky},
	{"loadbalancer.sticky.cookie", read_sticky},
	{"loadbalancer.sticky.cookie.name", read_cookie_name},
	{"loadbalancer.sticky.cookie.secure", read_secure},
	{"loadbalancer.sticky.cookie.httponly", read_http_only},
	{"loadbalancer.sticky.cookie.path", read_cookie_path},
	{"loadbalancer.sticky.cookie.samesite", read_same_site},
	{"loadbalancer.responseforwarding.flushinterval", pass_over},
};

static void read_option(struct reading *reading, const char *option, const char *value)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (strcasecmp(options[i].option, option) == 0) {
			options[i].read(reading, route_text_of(value));
			return;
		}
	route_refuse(reading->draft, "is not supported");
}

void traefik_read_service(struct route_draft *draft, struct route_text name)
{
	const struct model_service *service = draft->build->service;
	struct route_check *check = &draft->rule.check;
	struct reading reading = {.draft = draft, .cookie = STICKY_COOKIE};
	char label[sizeof(PREFIX) + 256];
	bool any = false;

	for (size_t i = 0; i < service->n_labels; i++) {
		const char *option = traefik_option(service->labels[i].key, PREFIX, name);

		if (!option)
			continue;
		draft->label = service->labels[i].key;
		read_option(&reading, option, service->labels[i].value);
		any = true;
	}
	if (reading.sticky)
		draft->rule.sticky.cookie = reading.cookie;
	if (check->path && !check->interval_ms)
		check->interval_ms = CHECK_INTERVAL_MS;
	if (check->path && !check->timeout_ms)
		check->timeout_ms = CHECK_TIMEOUT_MS;
	if (draft->rule.port || draft->failed)
		return;
	snprintf(label, sizeof(label), PREFIX ".%.*s.loadbalancer.server.port",
		 name.size < 128 ? (int)name.size : 128, name.data);
	draft->label = label;
	route_refuse(draft, any ? "is missing: on Swarm the tasks' port must be said"
				: "is missing: there is no such service");
	draft->label = "";
}
