/* SPDX-License-Identifier: GPL-2.0-only */
/* A directory of certificates: what is read of it, and which is whose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "proxy/certificates.h"
#include "scratch.h"

static char *dir;

static FILE *open_file(const char *name)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	return file;
}

static void write_text(const char *name, const char *text)
{
	FILE *file = open_file(name);

	fputs(text, file);
	fclose(file);
}

static void remove_file(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(unlink(path), 0);
}

static X509 *make_certificate(EVP_PKEY *key, const char *names)
{
	X509 *x509 = X509_new();
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

	X509_set_version(x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
	X509_gmtime_adj(X509_getm_notBefore(x509), 0);
	X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
	X509_set_pubkey(x509, key);
	assert_non_null(extension);
	X509_add_ext(x509, extension, -1);
	X509_EXTENSION_free(extension);
	assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
	return x509;
}

/* NAME.pem, or NAME.crt and NAME.key. other: with the key of another. */
static void write_pair(const char *name, const char *names, bool one_file, bool other)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *second = EVP_EC_gen("P-256");
	X509 *x509 = make_certificate(key, names);
	char file[256];
	FILE *out;

	snprintf(file, sizeof(file), "%s.%s", name, one_file ? "pem" : "crt");
	out = open_file(file);
	PEM_write_X509(out, x509);
	if (!one_file) {
		fclose(out);
		snprintf(file, sizeof(file), "%s.key", name);
		out = open_file(file);
	}
	PEM_write_PrivateKey(out, other ? second : key, NULL, NULL, 0, NULL, NULL);
	fclose(out);
	X509_free(x509);
	EVP_PKEY_free(key);
	EVP_PKEY_free(second);
}

static int prepare(SSL_CTX *context)
{
	assert_non_null(context);
	return 0;
}

static struct certificates *read_dir(const struct certificates *last)
{
	struct certificates *certificates = NULL;
	struct skep_error error;

	assert_int_equal(certificates_read(&certificates, dir, last, prepare, &error), 0);
	return certificates;
}

static const char *of(const struct certificates *certificates, const char *host)
{
	const struct certificate *found = certificates_find(certificates, host);

	return found ? found->name : "none";
}

static int begin(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	dir = scratch_make();
	return 0;
}

static int end(void **state)
{
	(void)state;
	scratch_remove(dir);
	return 0;
}

static void a_host_gets_the_certificate_that_names_it(void **state)
{
	struct certificates *certificates;

	(void)state;
	write_pair("b", "DNS:b.test,DNS:*.b.test,IP:192.0.2.1", true, false);
	write_pair("a", "DNS:a.test,DNS:x.b.test,DNS:UPPER.test", false, false);
	certificates = read_dir(NULL);
	assert_int_equal(certificates->n, 2);
	assert_int_equal(certificates->n_broken, 0);
	assert_string_equal(of(certificates, "a.test"), "a");
	assert_string_equal(of(certificates, "A.Test."), "a");
	assert_string_equal(of(certificates, "b.test"), "b");
	assert_string_equal(of(certificates, "y.b.test"), "b");
	assert_string_equal(of(certificates, "upper.test"), "a");
	/* The exact name goes before the wildcard, which is for one label. */
	assert_string_equal(of(certificates, "x.b.test"), "a");
	assert_string_equal(of(certificates, "z.y.b.test"), "none");
	assert_string_equal(of(certificates, ".b.test"), "none");
	assert_string_equal(of(certificates, "*.b.test"), "none");
	assert_string_equal(of(certificates, ""), "none");
	assert_string_equal(of(certificates, "test"), "none");
	certificates_free(certificates);
}

static void of_two_for_a_name_the_first_has_it(void **state)
{
	struct certificates *certificates;

	(void)state;
	write_pair("2", "DNS:a.test", true, false);
	write_pair("1", "DNS:a.test,DNS:b.test", true, false);
	certificates = read_dir(NULL);
	assert_string_equal(of(certificates, "a.test"), "1");
	assert_string_equal(certificates->fallback->name, "1");
	certificates_free(certificates);
}

static void the_fallback_is_that_named_default(void **state)
{
	struct certificates *certificates;

	(void)state;
	write_pair("a", "DNS:a.test", true, false);
	write_pair("default", "DNS:z.test", false, false);
	certificates = read_dir(NULL);
	assert_string_equal(certificates->fallback->name, "default");
	certificates_free(certificates);
}

static void what_is_broken_is_left_out(void **state)
{
	struct certificates *certificates;

	(void)state;
	write_pair("a", "DNS:a.test", true, false);
	write_pair("another-key", "DNS:b.test", false, true);
	write_text("no-certificate.pem", "nothing\n");
	write_text("half.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n");
	write_pair("no-key", "DNS:c.test", false, false);
	remove_file("no-key.key");
	write_text("readme.txt", "not looked at\n");
	write_text(".hidden.pem", "nor this\n");
	certificates = read_dir(NULL);
	assert_int_equal(certificates->n, 1);
	assert_int_equal(certificates->n_broken, 4);
	assert_string_equal(of(certificates, "b.test"), "none");
	certificates_free(certificates);
}

static void a_broken_pair_keeps_its_last_good_one(void **state)
{
	struct certificates *first, *second, *third;

	(void)state;
	write_pair("a", "DNS:a.test", true, false);
	write_pair("b", "DNS:b.test", true, false);
	first = read_dir(NULL);
	write_text("a.pem", "nothing\n");
	remove_file("b.pem");
	second = read_dir(first);
	assert_int_equal(second->n_broken, 1);
	assert_string_equal(second->broken[0], "a");
	assert_string_equal(of(second, "a.test"), "a");
	assert_ptr_equal(second->list[0].context, first->list[0].context);
	assert_string_equal(of(second, "b.test"), "none");
	certificates_free(first);
	write_pair("a", "DNS:c.test", true, false);
	third = read_dir(second);
	certificates_free(second);
	assert_string_equal(of(third, "a.test"), "none");
	assert_string_equal(of(third, "c.test"), "a");
	certificates_free(third);
}

static void a_directory_that_is_not_there_is_an_error(void **state)
{
	struct certificates *certificates = NULL;
	struct skep_error error;

	(void)state;
	assert_true(certificates_read(&certificates, "/nowhere/at/all", NULL, prepare, &error) < 0);
	assert_non_null(strstr(error.text, "/nowhere/at/all"));
	assert_null(certificates);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_host_gets_the_certificate_that_names_it, begin,
						end),
		cmocka_unit_test_setup_teardown(of_two_for_a_name_the_first_has_it, begin, end),
		cmocka_unit_test_setup_teardown(the_fallback_is_that_named_default, begin, end),
		cmocka_unit_test_setup_teardown(what_is_broken_is_left_out, begin, end),
		cmocka_unit_test_setup_teardown(a_broken_pair_keeps_its_last_good_one, begin, end),
		cmocka_unit_test(a_directory_that_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
