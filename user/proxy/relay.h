/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One direction of an exchange: a message's head, which is ready to be sent, and its payload, from
 * one stream to the other. The framing it came with decides where it ends, so nothing beyond it is
 * ever touched; chunks are read and written anew. Payload is copied through one bounded buffer, or
 * moved by splice(2) when enough of it is to come; whoever reads slowly is waited for, and then
 * nothing more is read.
 */
#ifndef SKEP_PROXY_RELAY_H
#define SKEP_PROXY_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "http/chunk.h"
#include "http/fields.h"
#include "http/head.h"
#include "proxy/buffer.h"
#include "proxy/pipe.h"
#include "proxy/stream.h"

struct worker;

/* How much to read with the head of a message whose payload will be spliced: most heads have less,
 * and what is read of the payload is copied. */
#define RELAY_FIRST 2048

enum relay_state {
	RELAY_GOES_ON,	    /* waits for one of the streams */
	RELAY_AGAIN,	    /* does not, but others shall have their turn */
	RELAY_ENDED,	    /* all is sent */
	RELAY_SOURCE_ENDED, /* before the message did */
	RELAY_SOURCE_FAILED,
	RELAY_SINK_FAILED,
	RELAY_REFUSED, /* what came is not framed as it must be: see refusal */
};

struct relay {
	struct stream *from, *to;
	struct buffer *in;  /* what came from `from`: payload first, then what was not looked at */
	struct buffer out;  /* goes before the payload */
	size_t ready, sent; /* of the payload in `in`: may be sent, and was */
	const char *tail;   /* goes after it */
	size_t tail_size;
	enum http_framing framing; /* as it comes */
	bool chunked;		   /* as it goes: in chunks of our own */
	bool keep;  /* what was sent stays, to be sent again (relay_rewind()), while there is room;
		       not for chunks */
	bool begun; /* some of it was sent, or may have been */
	bool streams; /* the last read brought all it had room for: more is likely to come at once
		       */
	bool whole;   /* the message's end is in `in`, or past */
	bool in_trailers, trailers_read;
	bool spliced;  /* some of the payload was */
	uint64_t left; /* HTTP_FRAMING_LENGTH: not yet in `in` */
	struct http_chunks chunks;
	struct http_fields trailers;
	struct http_field *fields; /* room for trailers */
	enum http_refusal refusal;
	struct pipe pipe; /* while it is spliced */
	size_t piped;
	uint64_t moved; /* payload so far */
};

/* A message with this framing; out is empty. fields: room for HTTP_FIELDS trailers, while it lasts.
 */
void relay_begin(struct relay *relay, struct stream *from, struct stream *to, struct buffer *in,
		 enum http_framing framing, uint64_t length, struct http_field *fields);
/* Goes on as far as it can. After anything but RELAY_GOES_ON and RELAY_AGAIN only relay_end() may
 * follow. */
enum relay_state relay_run(struct worker *worker, struct relay *relay);
/* All of it is still here, or nothing was sent: it may start anew, towards another stream. */
bool relay_can_rewind(const struct relay *relay);
void relay_rewind(struct relay *relay, struct stream *to);
/* At its end: had its payload better been spliced from its first byte on? Who sends such a one will
 * do so again. */
bool relay_wants_splice(const struct worker *worker, const struct relay *relay);
/* Takes what was sent out of `in`, gives back buffers and pipe. Also of one that has not ended. */
void relay_end(struct worker *worker, struct relay *relay);

#endif
