/* SPDX-License-Identifier: GPL-2.0-only */
/* A line of the access log: what the head said is kept from its arrival on, the rest is added at
 * the end. */
#ifndef SKEP_PROXY_ACCESS_LINE_H
#define SKEP_PROXY_ACCESS_LINE_H

struct worker;
struct exchange;
struct access_line;

/* The exchange's head is in the client's buffer. NULL: no memory, and so no line. */
struct access_line *access_line_new(const struct worker *worker, const struct exchange *exchange);
/* Of a head that is none, or not there in time: its first line, as far as it came, in the place of
 * the target. */
struct access_line *access_line_refused(const struct worker *worker,
					const struct exchange *exchange);
/* Of a connection that is relayed as it is. */
struct access_line *access_line_raw(const struct exchange *exchange, const char *host);
/* Writes the exchange's line and frees it. */
void access_line_put(struct worker *worker, struct exchange *exchange);

#endif
