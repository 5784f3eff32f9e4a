/* SPDX-License-Identifier: GPL-2.0-only */
/* Apache's variant of the MD5 crypt: what htpasswd(1) makes if told nothing else. */
#ifndef SKEP_ROUTE_APR1_H
#define SKEP_ROUTE_APR1_H

#include <stdbool.h>

#define APR1_SIZE 64

bool apr1_is_hash(const char *secret);
/* Of password with the salt of secret, "$apr1$SALT$…". False: the library has no MD5 (FIPS). */
bool apr1_hash(const char *password, const char *secret, char hash[APR1_SIZE]);

#endif
