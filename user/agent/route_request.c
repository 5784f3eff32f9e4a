/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/route_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/authority.h"
#include "http/path.h"

static const char *const keys[] = {"method", "url", "headers", "entry", "client", "limit"};

static bool find_field(void *context, const char *name, size_t index, struct route_text *value)
{
	const struct asked *asked = context;
	size_t size = strlen(name), i;
	json_t *field;

	json_array_foreach ((json_t *)asked->fields, i, field) {
		const char *line = json_string_value(field);

		if (strncasecmp(line, name, size) != 0 || line[size] != ':' || index-- > 0)
			continue;
		value->data = line + size + 1 + strspn(line + size + 1, " \t");
		value->size = strlen(value->data);
		return true;
	}
	return false;
}

static int check_keys(const json_t *json, struct skep_error *error)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)json, key, value) {
		size_t i = 0;

		while (i < sizeof(keys) / sizeof(*keys) && strcmp(keys[i], key) != 0)
			i++;
		if (i == sizeof(keys) / sizeof(*keys))
			return error_set(error, -EINVAL,
					 "the body has an unknown key; known are method, url, "
					 "headers, entry, client, limit");
		if (strcmp(key, "headers") == 0 ? !json_is_array(value)
		    : strcmp(key, "limit") == 0 ? !json_is_integer(value)
						: !json_is_string(value))
			return error_set(error, -EINVAL, "%s is not of the right type", key);
	}
	return 0;
}

static int check_fields(const json_t *fields, struct skep_error *error)
{
	json_t *field;
	size_t i;

	json_array_foreach ((json_t *)fields, i, field) {
		const char *line = json_string_value(field);
		const char *colon = line ? strchr(line, ':') : NULL;

		if (!colon || !http_is_token((struct http_text){line, (size_t)(colon - line)}))
			return error_set(error, -EINVAL, "a header is written 'Name: value'");
	}
	return 0;
}

static struct route_text of(struct http_text text)
{
	return (struct route_text){text.at, text.size};
}

/* The authority's host, and the port that the request would come in on. */
static int read_authority(struct asked *asked, const char *text, size_t size,
			  struct skep_error *error)
{
	struct http_authority authority;

	asked->request.port = asked->request.tls ? 443 : 80;
	if (!size)
		return 0; /* as a request of HTTP/1.0 without Host */
	if (http_authority_parse((struct http_text){text, size}, &authority))
		return error_set(error, -EINVAL, "the URL's host is none");
	asked->request.host = of(authority.host);
	if (authority.port)
		asked->request.port = authority.port;
	return 0;
}

static int read_url(struct asked *asked, const char *url, struct skep_error *error)
{
	struct route_request *request = &asked->request;
	const char *host, *path, *query, *end;
	struct http_text normal;

	if (strncasecmp(url, "http://", 7) == 0)
		host = url + 7;
	else if (strncasecmp(url, "https://", 8) == 0)
		host = url + 8;
	else
		return error_set(error, -EINVAL,
				 "the URL begins with neither http:// nor https://");
	request->tls = host == url + 8;
	path = host + strcspn(host, "/?#");
	query = path + strcspn(path, "?#");
	end = query + strcspn(query, "#");
	asked->text = malloc(strlen(url) + 1);
	if (!asked->text)
		return error_errno(error, -ENOMEM, "cannot explain");
	if (http_path_normalise((struct http_text){path, (size_t)(query - path)}, asked->text,
				&normal))
		return error_set(error, -EINVAL,
				 "the URL's path is none: the request would be answered with 400");
	request->path = of(normal);
	if (*query == '?')
		request->query = (struct route_text){query + 1, (size_t)(end - query - 1)};
	return read_authority(asked, host, (size_t)(path - host), error);
}

int asked_parse(struct asked *asked, const json_t *json, struct skep_error *error)
{
	const char *method = json_string_value(json_object_get(json, "method"));
	const char *url = json_string_value(json_object_get(json, "url"));
	const char *entry = json_string_value(json_object_get(json, "entry"));
	const char *client = json_string_value(json_object_get(json, "client"));
	const json_t *limit = json_object_get(json, "limit");
	int err = check_keys(json, error);

	*asked = (struct asked){
		.request = {.entry = entry ? entry : "http",
			    .method = {method, method ? strlen(method) : 0},
			    .host = {"", 0},
			    .query = {"", 0},
			    .field = find_field,
			    .context = asked},
		.fields = json_object_get(json, "headers"),
		.limit = limit ? (size_t)json_integer_value(limit) : ASKED_LIMIT_DEFAULT,
	};
	if (!err)
		err = check_fields(asked->fields, error);
	if (!err && (!method || !http_is_token((struct http_text){method, strlen(method)})))
		err = error_set(error, -EINVAL, "the method is missing, or no token");
	if (!err && !url)
		err = error_set(error, -EINVAL, "the URL is missing");
	if (!err && asked->limit > ASKED_LIMIT_MAX)
		err = error_set(error, -EINVAL, "limit is not a number from 0 to %d",
				ASKED_LIMIT_MAX);
	if (!err && addr_parse(client ? client : "127.0.0.1", &asked->request.client))
		err = error_set(error, -EINVAL, "the client is no address");
	if (!err && url)
		err = read_url(asked, url, error);
	if (!err && !entry && asked->request.tls)
		asked->request.entry = "https";
	if (err)
		asked_free(asked);
	return err;
}

void asked_free(struct asked *asked)
{
	free(asked->text);
	asked->text = NULL;
}
