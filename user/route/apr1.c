/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/apr1.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>

#define MAGIC	    "$apr1$"
#define SALT_MAX    8
#define ROUNDS	    1000
#define DIGEST_SIZE 16

static const char alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static size_t salt_size(const char *salt)
{
	return strspn(salt, alphabet);
}

bool apr1_is_hash(const char *secret)
{
	size_t magic = strlen(MAGIC), salt;

	if (strncmp(secret, MAGIC, magic) != 0)
		return false;
	salt = salt_size(secret + magic);
	return salt > 0 && salt <= SALT_MAX && secret[magic + salt] == '$' &&
	       strlen(secret + magic + salt + 1) == 22 &&
	       strspn(secret + magic + salt + 1, alphabet) == 22;
}

struct md5 {
	gnutls_hash_hd_t hash;
	bool failed;
};

static void add(struct md5 *md5, const void *data, size_t size)
{
	if (!md5->failed && size)
		md5->failed = gnutls_hash(md5->hash, data, size) != 0;
}

static void end(struct md5 *md5, unsigned char digest[DIGEST_SIZE])
{
	if (md5->failed)
		memset(digest, 0, DIGEST_SIZE);
	else
		gnutls_hash_output(md5->hash, digest); /* and starts anew */
}

/* Poul-Henning Kamp's algorithm: a start, and a thousand rounds that mix in what varies. */
static void compute(struct md5 *md5, const char *password, const char *salt, size_t n_salt,
		    unsigned char digest[DIGEST_SIZE])
{
	size_t n = strlen(password);

	add(md5, password, n);
	add(md5, salt, n_salt);
	add(md5, password, n);
	end(md5, digest);

	add(md5, password, n);
	add(md5, MAGIC, strlen(MAGIC));
	add(md5, salt, n_salt);
	for (size_t left = n; left; left -= left > DIGEST_SIZE ? DIGEST_SIZE : left)
		add(md5, digest, left > DIGEST_SIZE ? DIGEST_SIZE : left);
	for (size_t bits = n; bits; bits >>= 1)
		add(md5, bits & 1 ? "" : password, 1); /* a NUL, or the first letter */
	end(md5, digest);

	for (unsigned int i = 0; i < ROUNDS && !md5->failed; i++) {
		if (i & 1)
			add(md5, password, n);
		else
			add(md5, digest, DIGEST_SIZE);
		if (i % 3)
			add(md5, salt, n_salt);
		if (i % 7)
			add(md5, password, n);
		if (i & 1)
			add(md5, digest, DIGEST_SIZE);
		else
			add(md5, password, n);
		end(md5, digest);
	}
}

static char *put(char *at, unsigned int value, int n)
{
	for (; n; n--, value >>= 6)
		*at++ = alphabet[value & 63];
	return at;
}

bool apr1_hash(const char *password, const char *secret, char hash[APR1_SIZE])
{
	static const unsigned char order[5][3] = {
		{0, 6, 12}, {1, 7, 13}, {2, 8, 14}, {3, 9, 15}, {4, 10, 5}};
	const char *salt = secret + strlen(MAGIC);
	size_t n_salt = salt_size(salt);
	unsigned char digest[DIGEST_SIZE];
	struct md5 md5 = {0};
	char *at;

	if (n_salt > SALT_MAX || gnutls_hash_init(&md5.hash, GNUTLS_DIG_MD5))
		return false;
	compute(&md5, password, salt, n_salt, digest);
	gnutls_hash_deinit(md5.hash, NULL);
	at = hash + snprintf(hash, APR1_SIZE, MAGIC "%.*s$", (int)n_salt, salt);
	for (size_t i = 0; i < 5; i++)
		at = put(at,
			 (unsigned int)digest[order[i][0]] << 16 |
				 (unsigned int)digest[order[i][1]] << 8 | digest[order[i][2]],
			 4);
	at = put(at, digest[11], 2);
	*at = '\0';
	return !md5.failed;
}
