/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/auth.h"

#include <crypt.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "route/apr1.h"

#define CACHE_SIZE  256
#define DIGEST_SIZE 32

struct auth_cache {
	struct crypt_data crypt; /* 32 KiB, too much for a stack */
	unsigned char seen[CACHE_SIZE][DIGEST_SIZE];
	unsigned char salt[DIGEST_SIZE]; /* so that nobody can choose what shares a place */
};

struct auth_cache *auth_cache_new(void)
{
	struct auth_cache *cache = calloc(1, sizeof(*cache));

	if (cache && gnutls_rnd(GNUTLS_RND_KEY, cache->salt, sizeof(cache->salt))) {
		free(cache);
		return NULL;
	}
	return cache;
}

void auth_cache_free(struct auth_cache *cache)
{
	if (!cache)
		return;
	explicit_bzero(cache, sizeof(*cache));
	free(cache);
}

static bool is_sha(const char *secret)
{
	return strncmp(secret, "{SHA}", 5) == 0 && strlen(secret) == 5 + 28;
}

bool auth_knows(const char *secret)
{
	const char *last;

	if (strlen(secret) > AUTH_SECRET_MAX)
		return false;
	if (is_sha(secret) || apr1_is_hash(secret))
		return true;
	/*
	 * DES has no sign of its own: a password that somebody forgot to hash would look like it.
	 * And a salt without its hash would do for crypt(3), but never match.
	 */
	last = strrchr(secret, '$');
	return *secret == '$' && strlen(last + 1) >= 22 &&
	       crypt_checksalt(secret) != CRYPT_SALT_INVALID &&
	       crypt_checksalt(secret) != CRYPT_SALT_METHOD_DISABLED;
}

/* Takes as long whatever the first difference is. */
static bool same(const char *a, const char *b)
{
	size_t size = strlen(a);

	return size == strlen(b) && gnutls_memcmp(a, b, size) == 0;
}

static bool sha_matches(const char *password, const char *secret)
{
	unsigned char digest[20];
	gnutls_datum_t data = {digest, sizeof(digest)}, text = {0};
	bool matches;

	if (gnutls_hash_fast(GNUTLS_DIG_SHA1, password, strlen(password), digest) ||
	    gnutls_base64_encode2(&data, &text))
		return false;
	matches = text.size == 28 && gnutls_memcmp(text.data, secret + 5, 28) == 0;
	gnutls_free(text.data);
	return matches;
}

static bool password_matches(const struct route_user *user, const char *password,
			     struct auth_cache *cache)
{
	char apr1[APR1_SIZE];
	const char *hash;

	if (user->plain)
		return same(password, user->secret);
	if (is_sha(user->secret))
		return sha_matches(password, user->secret);
	if (apr1_is_hash(user->secret))
		return apr1_hash(password, user->secret, apr1) && same(apr1, user->secret);
	hash = crypt_r(password, user->secret, &cache->crypt);
	return hash && *hash != '*' && same(hash, user->secret);
}

/* "Basic BASE64" to user and password, each NUL-terminated. */
static bool decode(struct route_text credentials, char *buffer, size_t size, const char **password)
{
	gnutls_datum_t text, decoded = {0};
	bool good = false;
	char *colon;

	if (credentials.size < 7 || strncasecmp(credentials.data, "Basic ", 6) != 0)
		return false;
	text.data = (unsigned char *)credentials.data + 6;
	text.size = (unsigned int)credentials.size - 6;
	while (text.size && *text.data == ' ')
		text.data++, text.size--;
	if (!text.size || text.size > 4 * AUTH_SECRET_MAX || gnutls_base64_decode2(&text, &decoded))
		return false;
	if (decoded.size < size && !memchr(decoded.data, '\0', decoded.size)) {
		memcpy(buffer, decoded.data, decoded.size);
		buffer[decoded.size] = '\0';
		colon = strchr(buffer, ':');
		good = colon != NULL;
		if (colon) {
			*colon = '\0';
			*password = colon + 1;
		}
	}
	explicit_bzero(decoded.data, decoded.size);
	gnutls_free(decoded.data);
	return good;
}

static bool digest_of(const struct auth_cache *cache, const struct route_user *user,
		      const char *password, unsigned char digest[DIGEST_SIZE])
{
	gnutls_hash_hd_t hash;

	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256))
		return false;
	/* The secret, too: a password that was changed is not remembered. */
	if (gnutls_hash(hash, cache->salt, sizeof(cache->salt)) ||
	    gnutls_hash(hash, user->secret, strlen(user->secret) + 1) ||
	    gnutls_hash(hash, password, strlen(password))) {
		gnutls_hash_deinit(hash, NULL);
		return false;
	}
	gnutls_hash_deinit(hash, digest);
	return true;
}

static bool user_accepts(const struct route_user *user, const char *password,
			 struct auth_cache *cache)
{
	unsigned char digest[DIGEST_SIZE], *place;

	if (!digest_of(cache, user, password, digest))
		return false;
	place = cache->seen[digest[0]];
	if (memcmp(place, digest, DIGEST_SIZE) == 0)
		return true;
	if (!password_matches(user, password, cache))
		return false;
	memcpy(place, digest, DIGEST_SIZE);
	return true;
}

bool auth_accepts(const struct route_users *users, struct route_text credentials,
		  struct auth_cache *cache)
{
	char buffer[3 * AUTH_SECRET_MAX + 1];
	const char *password;
	bool accepted = false;

	if (!decode(credentials, buffer, sizeof(buffer), &password))
		return false;
	for (const struct route_user *user = users->first; user && !accepted; user = user->next)
		accepted = strcmp(user->name, buffer) == 0 && user_accepts(user, password, cache);
	explicit_bzero(buffer, sizeof(buffer));
	return accepted;
}
