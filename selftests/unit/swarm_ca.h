/* SPDX-License-Identifier: GPL-2.0-only */
/* A Swarm's CA, and its nodes' certificates as Swarm makes them: ECDSA P-256, CN node id, OU role,
 * O cluster id, SANs role and id. */
#ifndef SELFTESTS_UNIT_SWARM_CA_H
#define SELFTESTS_UNIT_SWARM_CA_H

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/file.h"

struct swarm_ca {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t cert;
};

struct swarm_node_cert {
	const char *id, *role, *cluster;
	time_t expires;	  /* 0: in an hour */
	bool encrypted;	  /* the key, as with autolock */
	bool client_only; /* key purpose */
};

static inline void ca_must(int code)
{
	if (code < 0) {
		fprintf(stderr, "gnutls: %s\n", gnutls_strerror(code));
		abort();
	}
}

static inline gnutls_x509_privkey_t ca_key(void)
{
	gnutls_x509_privkey_t key;

	ca_must(gnutls_x509_privkey_init(&key));
	ca_must(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
					     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
	return key;
}

static inline gnutls_x509_crt_t ca_cert(gnutls_x509_privkey_t key, const char *name, time_t expires)
{
	static unsigned char serial = 1;
	gnutls_x509_crt_t cert;

	ca_must(gnutls_x509_crt_init(&cert));
	ca_must(gnutls_x509_crt_set_version(cert, 3));
	ca_must(gnutls_x509_crt_set_serial(cert, &serial, 1));
	serial++;
	ca_must(gnutls_x509_crt_set_activation_time(cert, time(NULL) - 7200));
	ca_must(gnutls_x509_crt_set_expiration_time(cert, expires));
	ca_must(gnutls_x509_crt_set_key(cert, key));
	ca_must(gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, name,
					      (unsigned int)strlen(name)));
	return cert;
}

static inline void ca_make(struct swarm_ca *ca)
{
	ca->key = ca_key();
	ca->cert = ca_cert(ca->key, "swarm-ca", time(NULL) + 3600);
	ca_must(gnutls_x509_crt_set_basic_constraints(ca->cert, 1, -1));
	ca_must(gnutls_x509_crt_set_key_usage(ca->cert,
					      GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
	ca_must(gnutls_x509_crt_sign2(ca->cert, ca->cert, ca->key, GNUTLS_DIG_SHA256, 0));
}

static inline void ca_free(struct swarm_ca *ca)
{
	gnutls_x509_crt_deinit(ca->cert);
	gnutls_x509_privkey_deinit(ca->key);
}

static inline void ca_write(const char *directory, const char *name, const void *data, size_t size)
{
	struct skep_error error;
	char path[512];

	mkdir(directory, 0755);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (file_replace(path, data, size, &error)) {
		fprintf(stderr, "%s\n", error.text);
		abort();
	}
}

static inline void ca_write_cert(const char *directory, const char *name, gnutls_x509_crt_t cert)
{
	gnutls_datum_t text;

	ca_must(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &text));
	ca_write(directory, name, text.data, text.size);
	gnutls_free(text.data);
}

/* With the headers that Swarm puts into it. */
static inline void ca_write_key(const char *directory, gnutls_x509_privkey_t key, bool encrypted)
{
	static const char headers[] = "kek-version: 0\nraft-dek: EiAYGJ9yTLWLTCdwiJmAiNK40H==\n\n";
	char text[4096];
	gnutls_datum_t pem;

	ca_must(gnutls_x509_privkey_export2_pkcs8(
		key, GNUTLS_X509_FMT_PEM, encrypted ? "secret" : NULL,
		encrypted ? GNUTLS_PKCS_PBES2_AES_256 : GNUTLS_PKCS_PLAIN, &pem));
	const char *body = strchr((char *)pem.data, '\n') + 1;
	int size = snprintf(text, sizeof(text), "%.*s%s%s", (int)(body - (char *)pem.data),
			    pem.data, headers, body);
	ca_write(directory, "swarm-node.key", text, (size_t)size);
	gnutls_free(pem.data);
}

/* swarm-root-ca.crt, swarm-node.crt and swarm-node.key in directory, as in Docker's
 * swarm/certificates; trusted: whose CA the node trusts. */
static inline void ca_issue(struct swarm_ca *ca, struct swarm_ca *trusted, const char *directory,
			    const struct swarm_node_cert *node)
{
	gnutls_x509_privkey_t key = ca_key();
	gnutls_x509_crt_t cert =
		ca_cert(key, node->id, node->expires ? node->expires : time(NULL) + 3600);

	ca_must(gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, 0,
					      node->role, (unsigned int)strlen(node->role)));
	ca_must(gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_ORGANIZATION_NAME, 0,
					      node->cluster, (unsigned int)strlen(node->cluster)));
	ca_must(gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME, node->role,
						     (unsigned int)strlen(node->role),
						     GNUTLS_FSAN_SET));
	ca_must(gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME, node->id,
						     (unsigned int)strlen(node->id),
						     GNUTLS_FSAN_APPEND));
	ca_must(gnutls_x509_crt_set_key_usage(cert, GNUTLS_KEY_DIGITAL_SIGNATURE |
							    GNUTLS_KEY_KEY_ENCIPHERMENT));
	if (!node->client_only)
		ca_must(gnutls_x509_crt_set_key_purpose_oid(cert, GNUTLS_KP_TLS_WWW_SERVER, 0));
	ca_must(gnutls_x509_crt_set_key_purpose_oid(cert, GNUTLS_KP_TLS_WWW_CLIENT, 0));
	ca_must(gnutls_x509_crt_sign2(cert, ca->cert, ca->key, GNUTLS_DIG_SHA256, 0));
	ca_write_cert(directory, "swarm-root-ca.crt", trusted->cert);
	ca_write_cert(directory, "swarm-node.crt", cert);
	ca_write_key(directory, key, node->encrypted);
	gnutls_x509_crt_deinit(cert);
	gnutls_x509_privkey_deinit(key);
}

#endif
