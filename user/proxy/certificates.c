/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/certificates.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "lib/file.h"
#include "lib/log.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define CHAIN_MAX     16
#define HOSTS_MAX     1000 /* of one certificate */
#define HOST_MAX      253

static int openssl_error(struct skep_error *error, const char *what)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return error_set(error, -EINVAL, "%s: %s", what, why ? why : "it is none");
}

/* Nobody is there to be asked. */
static int no_password(char *buffer, int size, int writing, void *context)
{
	(void)buffer;
	(void)size;
	(void)writing;
	*(bool *)context = true;
	return -1;
}

static BIO *open_text(const char *path, char **text, struct skep_error *error)
{
	size_t size;
	BIO *bio;

	if (file_read(path, FILE_SIZE_MAX, text, &size, error))
		return NULL;
	bio = BIO_new_mem_buf(*text, (int)size);
	if (!bio)
		error_errno(error, -ENOMEM, "cannot read %s", path);
	return bio;
}

static int use_chain(SSL_CTX *context, const char *path, struct skep_error *error)
{
	char *text = NULL;
	BIO *bio = open_text(path, &text, error);
	X509 *x509 = NULL;
	int err = bio ? 0 : -EINVAL, n = 0;

	while (!err && (x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		bool taken = n == 0 ? SSL_CTX_use_certificate(context, x509) == 1
				    : SSL_CTX_add1_chain_cert(context, x509) == 1;

		X509_free(x509);
		if (!taken)
			err = openssl_error(error, "the certificate cannot be used");
		else if (++n > CHAIN_MAX)
			err = error_set(error, -EINVAL, "more than %d certificates", CHAIN_MAX);
	}
	if (!err && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		err = openssl_error(error, "a certificate cannot be read");
	else if (!err && !n)
		err = error_set(error, -EINVAL, "there is no certificate in %s", path);
	ERR_clear_error();
	BIO_free(bio);
	free(text);
	return err;
}

static int use_key(SSL_CTX *context, const char *path, struct skep_error *error)
{
	char *text = NULL;
	BIO *bio = open_text(path, &text, error);
	bool encrypted = false;
	EVP_PKEY *key = NULL;
	int err = bio ? 0 : -EINVAL;

	if (!err) {
		key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &encrypted);
		if (encrypted)
			err = error_set(
				error, -EINVAL,
				"the key in %s is encrypted; nobody is asked for a password", path);
		else if (!key)
			err = error_set(error, -EINVAL, "there is no key in %s", path);
	}
	if (!err &&
	    (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1))
		err = openssl_error(error, "the key is not that of the certificate");
	ERR_clear_error();
	EVP_PKEY_free(key);
	BIO_free(bio);
	if (text)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
	return err;
}

/* A name as clients may say it, or one with `*.` in front. */
static bool is_host(const unsigned char *text, size_t size)
{
	if (!size || size > HOST_MAX)
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isalnum(text[i]) && !strchr("-_.", text[i]) && !(text[i] == '*' && i == 0))
			return false;
	return text[0] != '*' || (size > 2 && text[1] == '.');
}

static int read_hosts(struct certificate *certificate, struct skep_error *error)
{
	const X509 *x509 = SSL_CTX_get0_certificate(certificate->context);
	GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
	struct array hosts = {0};
	char **place;
	int err = 0;

	for (int i = 0; names && i < sk_GENERAL_NAME_num(names) && !err; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const unsigned char *text;
		size_t size;

		if (name->type != GEN_DNS)
			continue;
		text = ASN1_STRING_get0_data(name->d.dNSName);
		size = (size_t)ASN1_STRING_length(name->d.dNSName);
		if (!is_host(text, size))
			continue;
		place = hosts.n < HOSTS_MAX ? array_add(&hosts, sizeof(*place)) : NULL;
		if (place)
			*place = strndup((const char *)text, size);
		if (!place || !*place)
			err = error_set(error, hosts.n < HOSTS_MAX ? -ENOMEM : -EINVAL,
					"has more than %d names, or there is no memory", HOSTS_MAX);
		for (char *at = err ? "" : *place; *at; at++)
			*at = (char)tolower((unsigned char)*at);
	}
	GENERAL_NAMES_free(names);
	place = array_add(&hosts, sizeof(*place)); /* the NULL */
	certificate->hosts = hosts.items;
	return err ? err : place ? 0 : error_errno(error, -ENOMEM, "cannot take its names");
}

static time_t expiry(const X509 *x509)
{
	struct tm tm;

	return ASN1_TIME_to_tm(X509_get0_notAfter(x509), &tm) ? timegm(&tm) : 0;
}

static void certificate_clear(struct certificate *certificate)
{
	for (char **host = certificate->hosts; host && *host; host++)
		free(*host);
	free(certificate->hosts);
	free(certificate->name);
	SSL_CTX_free(certificate->context);
	*certificate = (struct certificate){0};
}

static int load(struct certificate *certificate, const char *chain, const char *key,
		struct skep_error *error)
{
	int err;

	certificate->context = SSL_CTX_new(TLS_server_method());
	if (!certificate->context)
		return openssl_error(error, "cannot make a TLS context");
	err = use_chain(certificate->context, chain, error);
	if (!err)
		err = use_key(certificate->context, key, error);
	if (!err)
		err = read_hosts(certificate, error);
	if (!err)
		certificate->expires = expiry(SSL_CTX_get0_certificate(certificate->context));
	return err;
}

static int copy(struct certificate *to, const struct certificate *from)
{
	size_t n = 0;

	while (from->hosts[n])
		n++;
	to->hosts = calloc(n + 1, sizeof(*to->hosts));
	if (!to->hosts)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (!(to->hosts[i] = strdup(from->hosts[i])))
			return -ENOMEM;
	SSL_CTX_up_ref(from->context);
	to->context = from->context;
	to->expires = from->expires;
	return 0;
}

static const struct certificate *find_named(const struct certificates *certificates,
					    const char *name)
{
	for (size_t i = 0; certificates && i < certificates->n; i++)
		if (strcmp(certificates->list[i].name, name) == 0)
			return &certificates->list[i];
	return NULL;
}

static int add_broken(struct array *broken, const char *name)
{
	char **place = broken->n < CERTIFICATES_MAX ? array_add(broken, sizeof(*place)) : NULL;

	if (place)
		*place = strdup(name);
	return place && *place ? 0 : -ENOMEM;
}

/* One file's pair, if it is the certificate's of one. */
static int add_file(struct array *list, struct array *broken, const char *dir, const char *file,
		    const struct certificates *last)
{
	const char *ending = strrchr(file, '.');
	struct certificate *certificate, loaded = {0};
	const struct certificate *before;
	char path[4096], key[4096];
	struct skep_error error;
	int err, length;

	/* Hidden ones are those that somebody is about to rename. */
	if (!ending || ending == file || *file == '.' ||
	    (strcmp(ending, ".pem") != 0 && strcmp(ending, ".crt") != 0))
		return 0;
	length = (int)(ending - file);
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	snprintf(key, sizeof(key), "%s/%.*s%s", dir, length, file,
		 ending[1] == 'c' ? ".key" : ".pem");
	loaded.name = strndup(file, (size_t)length);
	if (!loaded.name)
		return -ENOMEM;
	err = load(&loaded, path, key, &error);
	if (err) {
		char *name = loaded.name;

		loaded.name = NULL;
		certificate_clear(&loaded);
		loaded.name = name;
		if (add_broken(broken, name)) {
			certificate_clear(&loaded);
			return -ENOMEM;
		}
		before = find_named(last, name);
		log_error("certificate %s is not used: %s%s", path, error.text,
			  before ? "; the one before stays" : "");
		err = before ? copy(&loaded, before) : 0;
		if (err || !before) {
			certificate_clear(&loaded);
			return err;
		}
	}
	certificate = list->n < CERTIFICATES_MAX ? array_add(list, sizeof(*certificate)) : NULL;
	if (!certificate) {
		certificate_clear(&loaded);
		return list->n < CERTIFICATES_MAX ? -ENOMEM : -E2BIG;
	}
	*certificate = loaded;
	return 0;
}

static int compare_certificates(const void *a, const void *b)
{
	return strcmp(((const struct certificate *)a)->name, ((const struct certificate *)b)->name);
}

/* Of one name the first certificate's first. */
static int compare_hosts(const void *a, const void *b)
{
	const struct certificate_host *first = a, *second = b;
	int order = strcmp(first->name, second->name);

	return order					   ? order
	       : first->certificate == second->certificate ? 0
	       : first->certificate < second->certificate  ? -1
							   : 1;
}

static int list_hosts(struct certificates *certificates)
{
	struct array hosts = {0};
	size_t n = 0;

	for (size_t i = 0; i < certificates->n; i++) {
		const struct certificate *certificate = &certificates->list[i];

		for (char **host = certificate->hosts; *host; host++) {
			struct certificate_host *place = array_add(&hosts, sizeof(*place));

			if (!place) {
				free(hosts.items);
				return -ENOMEM;
			}
			*place = (struct certificate_host){*host, certificate};
		}
	}
	certificates->hosts = hosts.items;
	if (hosts.n)
		qsort(hosts.items, hosts.n, sizeof(*certificates->hosts), compare_hosts);
	for (size_t i = 0; i < hosts.n; i++)
		if (!n || strcmp(certificates->hosts[n - 1].name, certificates->hosts[i].name) != 0)
			certificates->hosts[n++] = certificates->hosts[i];
	certificates->n_hosts = n;
	return 0;
}

int certificates_read(struct certificates **result, const char *dir,
		      const struct certificates *last, int (*prepare)(struct ssl_ctx_st *context),
		      struct skep_error *error)
{
	struct certificates *made = calloc(1, sizeof(*made));
	struct array list = {0}, broken = {0};
	struct dirent *file;
	DIR *open = opendir(dir);
	int err = 0;

	if (!open || !made) {
		err = error_errno(error, open ? -ENOMEM : -errno, "cannot read certificates in %s",
				  dir);
		goto cleanup;
	}
	while (!err) {
		errno = 0;
		file = readdir(open);
		if (!file) {
			err = -errno;
			break;
		}
		err = add_file(&list, &broken, dir, file->d_name, last);
	}
	made->list = list.items;
	made->n = list.n;
	made->broken = broken.items;
	made->n_broken = broken.n;
	if (made->n)
		qsort(made->list, made->n, sizeof(*made->list), compare_certificates);
	for (size_t i = 0; i < made->n && !err; i++)
		err = prepare(made->list[i].context);
	made->fallback = find_named(made, CERTIFICATES_DEFAULT);
	if (!made->fallback && made->n)
		made->fallback = &made->list[0];
	if (!err)
		err = list_hosts(made);
	if (err == -E2BIG)
		error_set(error, err, "%s has more than %d certificates", dir, CERTIFICATES_MAX);
	else if (err)
		error_errno(error, err, "cannot read certificates in %s", dir);
cleanup:
	if (open)
		closedir(open);
	if (err)
		certificates_free(made);
	else
		*result = made;
	return err;
}

void certificates_free(struct certificates *certificates)
{
	if (!certificates)
		return;
	for (size_t i = 0; i < certificates->n; i++)
		certificate_clear(&certificates->list[i]);
	for (size_t i = 0; i < certificates->n_broken; i++)
		free(certificates->broken[i]);
	free(certificates->broken);
	free(certificates->list);
	free(certificates->hosts);
	free(certificates);
}

static int compare_host(const void *key, const void *member)
{
	return strcmp(key, ((const struct certificate_host *)member)->name);
}

static const struct certificate *find_host(const struct certificates *certificates,
					   const char *name)
{
	const struct certificate_host *found =
		certificates->n_hosts ? bsearch(name, certificates->hosts, certificates->n_hosts,
						sizeof(*certificates->hosts), compare_host)
				      : NULL;

	return found ? found->certificate : NULL;
}

const struct certificate *certificates_find(const struct certificates *certificates,
					    const char *host)
{
	char name[HOST_MAX + 2];
	const struct certificate *found;
	size_t size = strlen(host);
	char *dot;

	if (size && host[size - 1] == '.')
		size--;
	if (!is_host((const unsigned char *)host, size) || *host == '*')
		return NULL;
	for (size_t i = 0; i < size; i++)
		name[i] = (char)tolower((unsigned char)host[i]);
	name[size] = '\0';
	found = find_host(certificates, name);
	dot = strchr(name, '.');
	if (found || !dot || dot == name)
		return found;
	*--dot = '*';
	return find_host(certificates, dot);
}
