/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/config.h"

#define ANSWER_LIMIT   (512UL << 20) /* the model's text alone may have 256 MiB */
#define ANSWER_SECONDS 60L

struct answer {
	char *data;
	size_t size, room;
	bool too_large;
};

static size_t collect(char *data, size_t one, size_t size, void *context)
{
	struct answer *answer = context;

	(void)one; /* always 1 */
	if (size > ANSWER_LIMIT - answer->size) {
		answer->too_large = true;
		return 0;
	}
	if (answer->size + size > answer->room) {
		size_t room = (answer->size + size) * 2;
		char *grown = realloc(answer->data, room);

		if (!grown)
			return 0;
		answer->data = grown;
		answer->room = room;
	}
	memcpy(answer->data + answer->size, data, size);
	answer->size += size;
	return size;
}

static int socket_address(const char *run_dir, struct sockaddr_un *address,
			  struct skep_error *error)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if (snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s", run_dir,
		     CONFIG_SOCKET) >= (int)sizeof(address->sun_path))
		return error_set(error, -ENAMETOOLONG,
				 "the run directory's path is too long for a socket in it: %s",
				 run_dir);
	return 0;
}

static int no_agent(const char *path, int err, bool has_maps, struct skep_error *error)
{
	if (err == EACCES || err == EPERM)
		return error_set(error, -err,
				 "may not talk to the agent on %s: %s; run skep as root", path,
				 strerror(err));
	return error_set(
		error, err ? -err : -ENOTCONN,
		"no agent answers on %s: %s; start it (systemctl start skep)%s", path,
		err ? strerror(err) : "no connection",
		has_maps ? ", name its directory (--run-dir), or read the maps without it (--maps)"
			 : " or name its directory (--run-dir)");
}

static int understand(const struct answer *answer, long status, const char *path, json_t **json,
		      struct skep_error *error)
{
	json_error_t why;
	json_t *root = json_loadb(answer->data ? answer->data : "", answer->size, 0, &why);
	const char *text;
	int err = 0;

	if (status != 200) {
		text = json_string_value(json_object_get(root, "error"));
		err = text ? error_set(error, -EREMOTEIO, "the agent on %s says: %s", path, text)
			   : error_set(error, -EREMOTEIO, "the agent on %s answers HTTP %ld", path,
				       status);
	} else if (!root) {
		err = error_set(error, -EPROTO, "the agent on %s answers no JSON: %s, line %d",
				path, why.text, why.line);
	}
	if (err)
		json_decref(root);
	else
		*json = root;
	return err;
}

/* body NULL: GET, else POST. */
static int client_request(const char *run_dir, const char *path, const char *body, bool has_maps,
			  json_t **json, struct skep_error *error)
{
	char url[256], detail[CURL_ERROR_SIZE] = "";
	struct answer answer = {0};
	struct sockaddr_un address;
	long status = 0, os_errno = 0;
	CURL *curl = NULL;
	CURLcode code;
	int err;

	*json = NULL;
	err = socket_address(run_dir, &address, error);
	if (err)
		return err;
	if (snprintf(url, sizeof(url), "http://localhost%s", path) >= (int)sizeof(url))
		return error_set(error, -ENAMETOOLONG, "request too long: %s", path);
	curl = curl_easy_init();
	if (!curl)
		return error_set(error, -ENOMEM, "cannot start a request: libcurl has no memory");

	code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, address.sun_path);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_URL, url);
	if (!code && body)
		code = curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body);
	if (code) {
		err = error_set(error, -ENOMEM, "cannot start a request: %s",
				curl_easy_strerror(code));
		goto cleanup;
	}
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, ANSWER_SECONDS);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);

	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_errno);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_COULDNT_CONNECT)
		err = no_agent(address.sun_path, (int)os_errno, has_maps, error);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		err = error_set(
			error, -ETIMEDOUT,
			"the agent on %s did not answer in %ld s; see its log (journalctl -u skep)",
			address.sun_path, ANSWER_SECONDS);
	else if (code == CURLE_WRITE_ERROR)
		err = answer.too_large
			      ? error_set(error, -EFBIG,
					  "the agent on %s answers too much: over %lu MiB",
					  address.sun_path, ANSWER_LIMIT >> 20)
			      : error_set(error, -ENOMEM, "no memory for the agent's answer");
	else if (code)
		err = error_set(error, -EPROTO,
				"the agent on %s does not speak HTTP as it should: %s",
				address.sun_path, *detail ? detail : curl_easy_strerror(code));
	else
		err = understand(&answer, status, address.sun_path, json, error);
cleanup:
	curl_easy_cleanup(curl);
	free(answer.data);
	return err;
}

int client_get(const char *run_dir, const char *path, bool has_maps, json_t **json,
	       struct skep_error *error)
{
	return client_request(run_dir, path, NULL, has_maps, json, error);
}

int client_post(const char *run_dir, const char *path, const json_t *body, json_t **json,
		struct skep_error *error)
{
	char *text = json_dumps(body, JSON_COMPACT);
	int err;

	*json = NULL;
	if (!text)
		return error_errno(error, -ENOMEM, "cannot start a request");
	err = client_request(run_dir, path, text, false, json, error);
	free(text);
	return err;
}

int client_agent_runs(const char *run_dir, struct skep_error *error)
{
	struct sockaddr_un address;
	int fd, err;

	err = socket_address(run_dir, &address, error);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(error, -errno, "cannot make a unix socket");
	err = connect(fd, (const struct sockaddr *)&address, sizeof(address)) ? errno : 0;
	close(fd);
	if (!err || err == EAGAIN) /* EAGAIN: it listens, and its queue is full */
		return 1;
	if (err == ENOENT || err == ECONNREFUSED || err == ENOTDIR)
		return 0;
	return error_errno(error, -err, "cannot tell whether an agent runs on %s",
			   address.sun_path);
}
