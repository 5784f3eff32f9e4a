/* SPDX-License-Identifier: GPL-2.0-only */
/* What stream.c does when a stream is encrypted; see there for what each must do. Not for others.
 */
#ifndef SKEP_PROXY_STREAM_TLS_H
#define SKEP_PROXY_STREAM_TLS_H

#include "proxy/stream.h"

void stream_tls_note(struct stream *stream);
ssize_t stream_tls_read(struct stream *stream, void *data, size_t size);
ssize_t stream_tls_write(struct stream *stream, const struct iovec *parts, int n);
void stream_tls_shut(struct stream *stream);
void stream_tls_free(struct stream *stream);

#endif
