/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/auth.h"

#include <crypt.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "route/apr1.h"

#define CACHE_SIZE  256
#define DIGEST_SIZE 32

/* CPU time that hashing may take. It comes in with the time, and is owed by what took longer. */
struct allowance {
	int64_t left_us;
	int64_t at_us; /* when that was so */
};

struct auth_cache {
	struct crypt_data crypt; /* 32 KiB, too much for a stack */
	/* Apart, so that guesses do not push out what is right. */
	unsigned char right[CACHE_SIZE][DIGEST_SIZE], wrong[CACHE_SIZE][DIGEST_SIZE];
	struct allowance all, of_clients[CACHE_SIZE];
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

static bool digest_of(const struct auth_cache *cache, const char *secret, const void *data,
		      size_t size, unsigned char digest[DIGEST_SIZE])
{
	gnutls_hash_hd_t hash;

	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256))
		return false;
	/* The secret, too: a password that was changed is not remembered. */
	if (gnutls_hash(hash, cache->salt, sizeof(cache->salt)) ||
	    gnutls_hash(hash, secret, strlen(secret) + 1) || gnutls_hash(hash, data, size)) {
		gnutls_hash_deinit(hash, NULL);
		return false;
	}
	gnutls_hash_deinit(hash, digest);
	return true;
}

static int64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Takes in what came since. Is there anything? */
static bool has_left(struct allowance *allowance, int64_t now_us, int percent, int burst_ms)
{
	int64_t most = (int64_t)burst_ms * 1000;
	int64_t left = allowance->left_us + (now_us - allowance->at_us) * percent / 100;

	allowance->left_us = left < most ? left : most;
	allowance->at_us = now_us;
	return allowance->left_us > 0;
}

static struct allowance *of_client(struct auth_cache *cache, const struct skep_addr *client)
{
	unsigned char digest[DIGEST_SIZE];
	/* An IPv6 network is mostly one machine's. */
	size_t size = skep_addr_is_v4(client) ? sizeof(*client) : sizeof(*client) / 2;

	return digest_of(cache, "", client, size, digest) ? &cache->of_clients[digest[0]] : NULL;
}

static enum auth_verdict look_closely(const struct route_user *user, const char *password,
				      const struct skep_addr *client, struct auth_cache *cache)
{
	struct allowance *own = of_client(cache, client);
	int64_t now_us = clock_us(CLOCK_MONOTONIC), began_us, took_us;
	bool matches;

	if (!own || !has_left(&cache->all, now_us, AUTH_ALL_PERCENT, AUTH_ALL_BURST_MS) ||
	    !has_left(own, now_us, AUTH_ONE_PERCENT, AUTH_ONE_BURST_MS))
		return AUTH_LATER;
	began_us = clock_us(CLOCK_THREAD_CPUTIME_ID);
	matches = password_matches(user, password, cache);
	took_us = clock_us(CLOCK_THREAD_CPUTIME_ID) - began_us;
	cache->all.left_us -= took_us;
	own->left_us -= took_us;
	return matches ? AUTH_ACCEPTED : AUTH_REFUSED;
}

static enum auth_verdict check_user(const struct route_user *user, const char *password,
				    const struct skep_addr *client, struct auth_cache *cache)
{
	unsigned char digest[DIGEST_SIZE];
	enum auth_verdict verdict;

	if (!digest_of(cache, user->secret, password, strlen(password), digest))
		return AUTH_REFUSED;
	if (gnutls_memcmp(cache->right[digest[0]], digest, DIGEST_SIZE) == 0)
		return AUTH_ACCEPTED;
	if (gnutls_memcmp(cache->wrong[digest[0]], digest, DIGEST_SIZE) == 0)
		return AUTH_REFUSED;
	verdict = look_closely(user, password, client, cache);
	if (verdict != AUTH_LATER)
		memcpy(verdict == AUTH_ACCEPTED ? cache->right[digest[0]] : cache->wrong[digest[0]],
		       digest, DIGEST_SIZE);
	return verdict;
}

enum auth_verdict auth_check(const struct route_users *users, struct route_text credentials,
			     const struct skep_addr *client, struct auth_cache *cache)
{
	enum auth_verdict verdict = AUTH_REFUSED;
	char buffer[3 * AUTH_SECRET_MAX + 1];
	const char *password;

	if (!decode(credentials, buffer, sizeof(buffer), &password))
		return AUTH_REFUSED;
	for (const struct route_user *user = users->first; user && verdict == AUTH_REFUSED;
	     user = user->next)
		if (strcmp(user->name, buffer) == 0)
			verdict = check_user(user, password, client, cache);
	explicit_bzero(buffer, sizeof(buffer));
	return verdict;
}
