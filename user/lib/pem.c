/* SPDX-License-Identifier: GPL-2.0-only */
#include "lib/pem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"

/* Certificates of a node, its intermediates, or of a CA in rotation: some kilobytes. */
#define PEM_LIMIT (1 << 20)

/*
 * Between the BEGIN line and the data there may be headers, "Name: value", ended by an empty line
 * (RFC 1421 section 4.4). Base64 has no colon. Continued header lines start with a space.
 */
static void drop_headers(struct pem *pem)
{
	char *out = pem->data;
	bool in_headers = false;

	for (char *line = pem->data, *next; *line; line = next) {
		char *end = strchr(line, '\n');
		next = end ? end + 1 : line + strlen(line);
		size_t length = (size_t)(next - line);

		if (strncmp(line, "-----BEGIN ", 11) == 0)
			in_headers = true;
		else if (in_headers && !memchr(line, ':', length) && *line != ' ' &&
			 *line != '\t' && *line != '\n' && *line != '\r')
			in_headers = false;
		else if (in_headers)
			continue;
		memmove(out, line, length);
		out += length;
	}
	*out = '\0';
	explicit_bzero(out, pem->size - (size_t)(out - pem->data));
	pem->size = (size_t)(out - pem->data);
}

static int read_key(struct pem *pem, const char *path, struct skep_error *error)
{
	int err = file_read(path, PEM_LIMIT, &pem->data, &pem->size, error);

	if (err)
		return err;
	/* PKCS #8 says so in its first line, the older forms in the Proc-Type header. */
	if (strstr(pem->data, "BEGIN ENCRYPTED ") || strstr(pem->data, "4,ENCRYPTED"))
		return error_set(error, -EACCES,
				 "the key %s is encrypted, since the Swarm is locked: "
				 "docker swarm update --autolock=false lets skep use it",
				 path);
	drop_headers(pem);
	return 0;
}

int pem_identity_read(struct pem_identity *identity, const char *ca, const char *cert,
		      const char *key, struct skep_error *error)
{
	int err;

	memset(identity, 0, sizeof(*identity));
	err = file_read(ca, PEM_LIMIT, &identity->ca.data, &identity->ca.size, error);
	if (!err)
		err = file_read(cert, PEM_LIMIT, &identity->cert.data, &identity->cert.size, error);
	if (!err)
		err = read_key(&identity->key, key, error);
	return err;
}

void pem_identity_free(struct pem_identity *identity)
{
	if (identity->key.data)
		explicit_bzero(identity->key.data, identity->key.size);
	free(identity->ca.data);
	free(identity->cert.data);
	free(identity->key.data);
	memset(identity, 0, sizeof(*identity));
}
