/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "proxy/certificates.h"
#include "proxy/stream_bio.h"

/* Forward secrecy and authenticated encryption only (RFC 9325). TLS 1.3 has nothing else. */
#define CIPHERS                                                                                    \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                               \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                               \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS "X25519:P-256:P-384"

/* A ticket lives as long as there surely is its key: the present one and two before. */
#define TICKET_KEYS    3
#define TICKET_EVERY_S 3600
#define TICKET_TIME_S  (TICKET_EVERY_S * (TICKET_KEYS - 1))

#define SETTLE_MS      200   /* a change is several files, mostly */
#define TICK_MS	       60000 /* to see what the clock brings */
#define EXPIRY_WARN_S  (14 * 86400)
#define EXPIRY_EVERY_S 86400

struct ticket_key {
	unsigned char name[16], cipher[32], mac[32];
};

struct tls {
	struct loop *loop;
	char dir[PATH_MAX];
	bool strict;
	SSL_CTX *context; /* of every connection at its start, and its tickets' */
	BIO_METHOD *bio_method;
	struct loop_watch changes;
	struct loop_timer settle, tick;
	uint64_t rotate_ns, expiry_ns;

	pthread_mutex_t lock; /* held for a look, never for work */
	struct certificates *certificates;
	struct ticket_key keys[TICKET_KEYS]; /* the present one is first */
	size_t n_keys;
};

struct ssl_ctx_st *tls_context(const struct tls *tls)
{
	return tls->context;
}

const struct bio_method_st *tls_bio_method(const struct tls *tls)
{
	return tls->bio_method;
}

/* ---- callbacks of handshakes, in workers */

/* A context of its own for the connection: the certificates may be others a moment later. */
static SSL_CTX *choose(struct tls *tls, const char *host)
{
	const struct certificate *found;
	SSL_CTX *context = NULL;

	pthread_mutex_lock(&tls->lock);
	found = host ? certificates_find(tls->certificates, host) : NULL;
	if (!found && !tls->strict)
		found = tls->certificates->fallback;
	if (found) {
		context = found->context;
		SSL_CTX_up_ref(context);
	}
	pthread_mutex_unlock(&tls->lock);
	return context;
}

/* Comes for each handshake, whether the client names a host or not. */
static int name_came(SSL *ssl, int *alert, void *context)
{
	SSL_CTX *chosen = choose(context, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
	bool set;

	*alert = SSL_AD_UNRECOGNIZED_NAME;
	if (!chosen)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	set = SSL_set_SSL_CTX(ssl, chosen) != NULL;
	SSL_CTX_free(chosen);
	*alert = SSL_AD_INTERNAL_ERROR;
	return set ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* What is spoken inside (RFC 7301). A client that asks for nothing gets HTTP/1.1. */
static int protocols_came(SSL *ssl, const unsigned char **out, unsigned char *out_size,
			  const unsigned char *in, unsigned int in_size, void *context)
{
	static const unsigned char spoken[] = "\x08http/1.1";

	(void)ssl;
	(void)context;
	if (SSL_select_next_proto((unsigned char **)out, out_size, spoken, sizeof(spoken) - 1, in,
				  in_size) == OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Of this a connection takes no copy when it begins, but asks the context that it has gone over to.
 */
static int prepare(SSL_CTX *context)
{
	SSL_CTX_set_alpn_select_cb(context, protocols_came, NULL);
	return SSL_CTX_set_cipher_list(context, CIPHERS) == 1 ? 0 : -EINVAL;
}

static bool find_key(struct tls *tls, const unsigned char name[16], struct ticket_key *key,
		     bool *present)
{
	bool found = false;

	pthread_mutex_lock(&tls->lock);
	for (size_t i = 0; i < tls->n_keys && !found; i++)
		if (!name || memcmp(tls->keys[i].name, name, sizeof(tls->keys[i].name)) == 0) {
			*key = tls->keys[i];
			*present = i == 0;
			found = true;
		}
	pthread_mutex_unlock(&tls->lock);
	return found;
}

/* -1: an error; 0: no ticket of ours; 1; 2: valid, and to be replaced. */
static int ticket_comes(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
			EVP_MAC_CTX *mac, int encrypts)
{
	struct tls *tls = SSL_get_app_data(ssl);
	struct ticket_key key;
	bool present;
	OSSL_PARAM params[3];
	int done;

	if (!find_key(tls, encrypts ? NULL : name, &key, &present))
		return 0;
	if (encrypts) {
		memcpy(name, key.name, sizeof(key.name));
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
			return -1;
	}
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac, sizeof(key.mac));
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0);
	params[2] = OSSL_PARAM_construct_end();
	done = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv, encrypts) == 1 &&
	       EVP_MAC_CTX_set_params(mac, params) == 1;
	OPENSSL_cleanse(&key, sizeof(key));
	if (!done)
		return -1;
	return encrypts || present ? 1 : 2;
}

/* ---- the main thread */

static int rotate(struct tls *tls, struct skep_error *error)
{
	struct ticket_key key;

	if (RAND_bytes((unsigned char *)&key, sizeof(key)) != 1)
		return error_set(error, -EIO, "cannot make a key for TLS session tickets");
	pthread_mutex_lock(&tls->lock);
	memmove(&tls->keys[1], &tls->keys[0], sizeof(tls->keys) - sizeof(tls->keys[0]));
	tls->keys[0] = key;
	if (tls->n_keys < TICKET_KEYS)
		tls->n_keys++;
	pthread_mutex_unlock(&tls->lock);
	OPENSSL_cleanse(&key, sizeof(key));
	return 0;
}

static void warn_of_expiry(const struct tls *tls)
{
	time_t now = time(NULL);

	for (size_t i = 0; i < tls->certificates->n; i++) {
		const struct certificate *certificate = &tls->certificates->list[i];

		if (certificate->expires <= now)
			log_error("certificate %s has expired", certificate->name);
		else if (certificate->expires - now < EXPIRY_WARN_S)
			log_warning("certificate %s expires in %ld hours", certificate->name,
				    (long)(certificate->expires - now) / 3600);
	}
}

static int read_all(struct tls *tls, struct skep_error *error)
{
	struct certificates *made, *before;
	int err = certificates_read(&made, tls->dir, tls->certificates, prepare, error);

	if (err)
		return err;
	pthread_mutex_lock(&tls->lock);
	before = tls->certificates;
	tls->certificates = made;
	pthread_mutex_unlock(&tls->lock);
	certificates_free(before);
	if (made->n)
		log_info("%zu certificates for %zu hosts in %s; for others: %s", made->n,
			 made->n_hosts, tls->dir, tls->strict ? "none" : made->fallback->name);
	else
		log_warning("there is no certificate in %s: no client can connect by TLS until "
			    "there is NAME.pem, or NAME.crt with NAME.key",
			    tls->dir);
	warn_of_expiry(tls);
	return 0;
}

void tls_reload(struct tls *tls)
{
	struct skep_error error;

	if (read_all(tls, &error))
		log_error("%s; those there are stay", error.text);
}

static void settled(struct loop_timer *timer)
{
	tls_reload(container_of(timer, struct tls, settle));
}

static void changed(struct loop_watch *watch, uint32_t events)
{
	struct tls *tls = container_of(watch, struct tls, changes);
	char scrap[4096];

	(void)events;
	/* What has changed is seen by reading all. */
	while (read(watch->fd, scrap, sizeof(scrap)) > 0)
		;
	loop_arm(tls->loop, &tls->settle, SETTLE_MS);
}

static void tick(struct loop_timer *timer)
{
	struct tls *tls = container_of(timer, struct tls, tick);
	uint64_t now = loop_now_ns();
	struct skep_error error;

	loop_arm(tls->loop, timer, TICK_MS);
	if (now >= tls->rotate_ns) {
		tls->rotate_ns = now + TICKET_EVERY_S * 1000000000ULL;
		if (rotate(tls, &error))
			log_error("%s: the one before stays", error.text);
	}
	if (now >= tls->expiry_ns) {
		tls->expiry_ns = now + EXPIRY_EVERY_S * 1000000000ULL;
		warn_of_expiry(tls);
	}
}

static int make_context(struct tls *tls, struct skep_error *error)
{
	static const unsigned char id[] = "skep";
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	tls->context = context;
	tls->bio_method = stream_bio_method();
	if (!context || !tls->bio_method ||
	    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 || prepare(context) ||
	    SSL_CTX_set1_groups_list(context, GROUPS) != 1 ||
	    SSL_CTX_set_session_id_context(context, id, sizeof(id) - 1) != 1) {
		ERR_clear_error();
		return error_set(error, -EINVAL, "OpenSSL does not take the settings for TLS");
	}
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/* A buffer less for each idle connection, and one read for a record. */
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(context, TICKET_TIME_S);
	SSL_CTX_set_tlsext_servername_callback(context, name_came);
	SSL_CTX_set_tlsext_servername_arg(context, tls);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_comes);
	return 0;
}

static int watch_dir(struct tls *tls, struct skep_error *error)
{
	int err;

	tls->changes.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	tls->changes.ready = changed;
	if (tls->changes.fd < 0 ||
	    inotify_add_watch(tls->changes.fd, tls->dir,
			      IN_CLOSE_WRITE | IN_MOVE | IN_CREATE | IN_DELETE | IN_ATTRIB) < 0)
		return error_errno(error, -errno, "cannot watch %s for changes", tls->dir);
	err = loop_add(tls->loop, &tls->changes, EPOLLIN);
	return err ? error_errno(error, err, "cannot watch %s for changes", tls->dir) : 0;
}

int tls_open(struct tls **result, struct loop *loop, const char *dir, bool strict,
	     struct skep_error *error)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int err;

	if (!tls)
		return error_errno(error, -ENOMEM, "cannot set up TLS");
	tls->loop = loop;
	tls->strict = strict;
	tls->changes.fd = -1;
	tls->settle.expired = settled;
	tls->tick.expired = tick;
	strncpy(tls->dir, dir, sizeof(tls->dir) - 1);
	pthread_mutex_init(&tls->lock, NULL);
	err = make_context(tls, error);
	/* Watched before it is read, so that no change is missed between. */
	if (!err)
		err = watch_dir(tls, error);
	if (!err)
		err = read_all(tls, error);
	if (!err)
		err = rotate(tls, error);
	if (err) {
		tls_close(tls);
		return err;
	}
	tls->rotate_ns = loop_now_ns() + TICKET_EVERY_S * 1000000000ULL;
	tls->expiry_ns = loop_now_ns() + EXPIRY_EVERY_S * 1000000000ULL;
	loop_arm(loop, &tls->tick, TICK_MS);
	*result = tls;
	return 0;
}

void tls_close(struct tls *tls)
{
	if (!tls)
		return;
	loop_disarm(tls->loop, &tls->settle);
	loop_disarm(tls->loop, &tls->tick);
	if (tls->changes.fd >= 0) {
		loop_remove(tls->loop, &tls->changes);
		close(tls->changes.fd);
	}
	certificates_free(tls->certificates);
	SSL_CTX_free(tls->context);
	BIO_meth_free(tls->bio_method);
	pthread_mutex_destroy(&tls->lock);
	OPENSSL_cleanse(tls->keys, sizeof(tls->keys));
	free(tls);
}

/* A file's name may be anything. */
static void print_one(const char *metric, const char *name, long long value, FILE *out)
{
	fprintf(out, "%s{certificate=\"", metric);
	for (const char *at = name; *at; at++)
		fputc(*at < ' ' || *at > '~' || *at == '"' || *at == '\\' ? '?' : *at, out);
	fprintf(out, "\"} %lld\n", value);
}

void tls_print_metrics(struct tls *tls, FILE *out)
{
	const struct certificates *certificates = tls->certificates;

	fprintf(out,
		"# TYPE skep_proxy_certificates gauge\nskep_proxy_certificates %zu\n"
		"# TYPE skep_proxy_certificates_broken gauge\nskep_proxy_certificates_broken %zu\n"
		"# TYPE skep_proxy_certificate_expires_seconds gauge\n",
		certificates->n, certificates->n_broken);
	for (size_t i = 0; i < certificates->n; i++)
		print_one("skep_proxy_certificate_expires_seconds", certificates->list[i].name,
			  certificates->list[i].expires, out);
	fprintf(out, "# TYPE skep_proxy_certificate_broken gauge\n");
	for (size_t i = 0; i < certificates->n_broken; i++)
		print_one("skep_proxy_certificate_broken", certificates->broken[i], 1, out);
}
