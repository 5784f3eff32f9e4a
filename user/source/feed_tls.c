/* SPDX-License-Identifier: GPL-2.0-only */
#include "source/feed_tls.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/hash.h"

static gnutls_datum_t datum(const struct pem *pem)
{
	return (gnutls_datum_t){.data = (unsigned char *)pem->data,
				.size = (unsigned int)pem->size};
}

/* One attribute of the subject's name; "" if it has none. */
static void subject(gnutls_x509_crt_t certificate, const char *oid, char text[FEED_NAME_SIZE])
{
	size_t size = FEED_NAME_SIZE;

	if (gnutls_x509_crt_get_dn_by_oid(certificate, oid, 0, 0, text, &size) < 0)
		text[0] = '\0';
}

/* A rotation replaces the files one after the other: certificate and key may be of two days. */
static int check_pair(const struct pem_identity *pem, struct skep_error *error)
{
	const gnutls_datum_t cert = datum(&pem->cert), key = datum(&pem->key);
	gnutls_certificate_credentials_t credentials;
	int code = gnutls_certificate_allocate_credentials(&credentials);

	if (code < 0)
		return error_set(error, -ENOMEM, "%s", gnutls_strerror(code));
	code = gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
	gnutls_certificate_free_credentials(credentials);
	return code < 0 ? error_set(error, -EINVAL, "%s", gnutls_strerror(code)) : 0;
}

static int read_cluster(const struct pem_identity *pem, char cluster[FEED_NAME_SIZE],
			struct skep_error *error)
{
	const gnutls_datum_t cert = datum(&pem->cert);
	gnutls_x509_crt_t certificate;
	int code = gnutls_x509_crt_init(&certificate);

	if (code < 0)
		return error_set(error, -ENOMEM, "%s", gnutls_strerror(code));
	/* The node's own is the first; intermediates follow. */
	code = gnutls_x509_crt_import(certificate, &cert, GNUTLS_X509_FMT_PEM);
	if (code >= 0)
		subject(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, cluster);
	gnutls_x509_crt_deinit(certificate);
	if (code < 0)
		return error_set(error, -EINVAL, "%s", gnutls_strerror(code));
	if (!cluster[0])
		return error_set(error, -EINVAL, "the certificate names no cluster");
	return 0;
}

int feed_identity_read(struct feed_identity *identity, const char *directory,
		       struct skep_error *error)
{
	static const char *const names[] = {"swarm-root-ca.crt", "swarm-node.crt",
					    "swarm-node.key"};
	char paths[3][PATH_MAX];
	int err;

	memset(identity, 0, sizeof(*identity));
	for (int i = 0; i < 3; i++)
		if ((size_t)snprintf(paths[i], sizeof(paths[i]), "%s/%s", directory, names[i]) >=
		    sizeof(paths[i]))
			return error_set(error, -ENAMETOOLONG, "the path %.64s... is too long",
					 directory);
	err = pem_identity_read(&identity->pem, paths[0], paths[1], paths[2], error);
	if (err)
		goto cleanup;
	err = check_pair(&identity->pem, error);
	if (!err)
		err = read_cluster(&identity->pem, identity->cluster, error);
	if (err) {
		error_prefix(error, err, "certificate %s", paths[1]);
		goto cleanup;
	}
	identity->hash = HASH_START;
	const struct pem *pems[] = {&identity->pem.ca, &identity->pem.cert, &identity->pem.key};
	for (int i = 0; i < 3; i++)
		identity->hash = hash_bytes(identity->hash, pems[i]->data, pems[i]->size);
cleanup:
	if (err)
		feed_identity_free(identity);
	return err;
}

void feed_identity_free(struct feed_identity *identity)
{
	pem_identity_free(&identity->pem);
}

static int check_chain(gnutls_session_t session, struct skep_error *error)
{
	gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
					 .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT};
	gnutls_datum_t text;
	unsigned int status;
	int code = gnutls_certificate_verify_peers(session, &purpose, 1, &status);

	if (code < 0)
		return error_set(error, -EACCES, "%s", gnutls_strerror(code));
	if (status == 0)
		return 0;
	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) < 0)
		return error_set(error, -EACCES, "the certificate is not trusted");
	error_set(error, -EACCES, "%s", (const char *)text.data);
	gnutls_free(text.data);
	return -EACCES;
}

static int check_names(const gnutls_datum_t *der, const char *cluster, struct skep_error *error)
{
	char unit[FEED_NAME_SIZE] = "", organization[FEED_NAME_SIZE] = "";
	gnutls_x509_crt_t certificate;
	int code = gnutls_x509_crt_init(&certificate);

	if (code < 0)
		return error_set(error, -ENOMEM, "%s", gnutls_strerror(code));
	code = gnutls_x509_crt_import(certificate, der, GNUTLS_X509_FMT_DER);
	if (code >= 0) {
		subject(certificate, GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, unit);
		subject(certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, organization);
	}
	gnutls_x509_crt_deinit(certificate);
	if (code < 0)
		return error_set(error, -EACCES, "%s", gnutls_strerror(code));
	if (strcmp(organization, cluster) != 0)
		return error_set(error, -EACCES, "the certificate is of another Swarm");
	if (strcmp(unit, "swarm-worker") != 0 && strcmp(unit, "swarm-manager") != 0)
		return error_set(error, -EACCES, "the certificate is not of a Swarm node");
	return 0;
}

int feed_peer_check(gnutls_session_t session, const char *cluster, struct skep_error *error)
{
	unsigned int n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
	int err;

	if (!chain || n == 0)
		return error_set(error, -EACCES, "no certificate was shown");
	err = check_chain(session, error);
	return err ? err : check_names(&chain[0], cluster, error);
}
