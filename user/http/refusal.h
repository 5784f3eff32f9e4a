/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why a message is refused: one name for each reason, with where the RFCs say so, what a client is
 * answered, and one line for the log. After a refusal the connection is closed, always: where the
 * next message starts is not known. What a task answers wrongly is 502 to the client, whatever the
 * status here.
 */
#ifndef SKEP_HTTP_REFUSAL_H
#define SKEP_HTTP_REFUSAL_H

/* name, status, "RFC section", text */
#define HTTP_REFUSALS(X)                                                                           \
	X(EMPTY_LINES, 400, "9112 2.2", "more than one empty line before the request")             \
	X(METHOD_BAD, 400, "9110 9.1", "the method is not a token and a space")                    \
	X(METHOD_LONG, 501, "9112 3", "the method is too long")                                    \
	X(TARGET_FORM, 400, "9112 3.2", "the request target has a form that its method has not")   \
	X(TARGET_CHARACTER, 400, "3986 2", "a character that no request target has")               \
	X(TARGET_FRAGMENT, 400, "9112 3.2", "a fragment in the request target")                    \
	X(TARGET_PERCENT, 400, "3986 2.1", "'%' without two hexadecimal digits")                   \
	X(TARGET_NUL, 400, "3986 7.3", "%00 in the request target")                                \
	X(TARGET_SCHEME, 400, "9110 4.2", "a scheme other than http and https")                    \
	X(TARGET_LONG, 414, "9110 15.5.15", "the request line is longer than a head may be")       \
	X(USERINFO, 400, "9110 4.2.4", "user information before the host")                         \
	X(HOST_BAD, 400, "9112 3.2", "the host is neither a name nor an address")                  \
	X(PORT_BAD, 400, "3986 3.2.3", "the host's port is not a number from 1 to 65535")          \
	X(HOST_MISSING, 400, "9112 3.2", "no Host")                                                \
	X(HOST_REPEATED, 400, "9112 3.2", "more than one Host")                                    \
	X(VERSION_BAD, 400, "9112 2.3", "no HTTP version where it must be")                        \
	X(VERSION_UNSUPPORTED, 505, "9110 15.6.6", "an HTTP version other than 1.0 and 1.1")       \
	X(STATUS_BAD, 502, "9112 4", "the status is not three digits from 100 to 599")             \
	X(REASON_BAD, 502, "9112 4", "a control character in the reason phrase")                   \
	X(BARE_LF, 400, "9112 2.2", "LF without CR")                                               \
	X(BARE_CR, 400, "9112 2.2", "CR without LF")                                               \
	X(FIELD_FIRST_SPACE, 400, "9112 2.2", "white space before the first field")                \
	X(FIELD_FOLD, 400, "9112 5.2", "a field goes on in the next line")                         \
	X(FIELD_NAME_EMPTY, 400, "9112 5", "a field without a name")                               \
	X(FIELD_NAME_SPACE, 400, "9112 5.1", "white space before a field's colon")                 \
	X(FIELD_NAME_BAD, 400, "9110 5.1", "a field's name is not a token")                        \
	X(FIELD_COLON, 400, "9112 5", "a field without a colon")                                   \
	X(FIELD_NUL, 400, "9110 5.5", "NUL in a field's value")                                    \
	X(FIELD_CONTROL, 400, "9110 5.5", "a control character in a field's value")                \
	X(FIELDS_MANY, 431, "6585 5", "more fields than are taken")                                \
	X(HEAD_LARGE, 431, "6585 5", "a head larger than is taken")                                \
	X(LENGTH_BAD, 400, "9110 8.6", "Content-Length is not a number")                           \
	X(LENGTH_OVERFLOW, 400, "9110 8.6", "Content-Length is too large a number")                \
	X(LENGTH_REPEATED, 400, "9112 6.3", "more than one Content-Length")                        \
	X(LENGTH_WITH_CODING, 400, "9112 6.1", "Content-Length with Transfer-Encoding")            \
	X(CODING_BAD, 400, "9112 6.1", "Transfer-Encoding is not a list of codings")               \
	X(CODING_UNKNOWN, 501, "9112 6.1", "a transfer coding other than chunked")                 \
	X(CODING_NOT_LAST, 400, "9112 6.3", "chunked is not the last transfer coding")             \
	X(CODING_REPEATED, 400, "9112 6.1", "more than one Transfer-Encoding")                     \
	X(CODING_VERSION, 400, "9112 6.1", "Transfer-Encoding in a message of HTTP/1.0")           \
	X(CONNECTION_BAD, 400, "9110 7.6.1", "Connection is not a list of names")                  \
	X(CONNECTION_MANY, 431, "9110 7.6.1", "Connection has more names than are taken")          \
	X(EXPECTATION, 417, "9110 10.1.1", "an expectation other than 100-continue")               \
	X(BODY_FORBIDDEN, 502, "9110 8.6", "a body announced by an answer that has none")          \
	X(SWITCH_UNASKED, 502, "9110 15.2.2", "101 without a protocol, or not asked for")          \
	X(PATH_CLIMBS, 400, "3986 5.2.4", "the path leads above the root")                         \
	X(PATH_DOT_PARAMETER, 400, "3986 3.3", "a dot segment with a parameter")                   \
	X(CHUNK_SIZE_BAD, 400, "9112 7.1", "a chunk's size is not a hexadecimal number")           \
	X(CHUNK_SIZE_OVERFLOW, 400, "9112 7.1", "a chunk's size is too large a number")            \
	X(CHUNK_LINE_LONG, 400, "9112 7.1.1", "a chunk's line is too long")                        \
	X(CHUNK_EXTENSION, 400, "9112 7.1.1", "a chunk extension with a character it cannot have") \
	X(CHUNK_END, 400, "9112 7.1", "a chunk's data without CRLF after it")                      \
	X(TRAILER_FORBIDDEN, 400, "9110 6.5.1", "a trailer field that would frame or route")

enum http_refusal {
	HTTP_NOT_REFUSED,
#define X(name, status, section, text) HTTP_REFUSED_##name,
	HTTP_REFUSALS(X)
#undef X
	HTTP_N_REFUSALS
};

struct http_refusal_facts {
	const char *name;    /* "FIELD_FOLD" */
	const char *section; /* "9112 5.2": of that RFC */
	const char *text;
	int status; /* to the client who sent it */
};

const struct http_refusal_facts *http_refusal_facts(enum http_refusal refusal);

#endif
