/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * http_differential ADDRESS:PORT SEED CASES: do we and another server read the same requests?
 *
 * Each case is a few requests, made by chance from a grammar of oddities and then, half of them,
 * damaged in a few bytes. What our parser takes is forwarded as the proxy would, all of a case in
 * one go on one connection, to a server that answers each request with what it read:
 * METHOD|TARGET|HOST|X-PROBE|BODY LENGTH. The answers must be as many as the requests, in order,
 * and say what we read. A server that refuses a request has not misread it; those are counted.
 *
 * Prints one line of counts, and every case that was read differently. Status 1 if there was one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "http/chunk.h"
#include "http/forward.h"
#include "http/path.h"
#include "http/trailer.h"

#define MESSAGE_MAX 8192
#define BATCH_MAX   4

/* Bytes that are written one after another. */
struct text {
	size_t size;
	char bytes[4 * MESSAGE_MAX];
};

struct expected {
	char said[MESSAGE_MAX];
	size_t size;
};

struct counts {
	unsigned int cases, requests, refused_by_us, refused_by_them, different;
};

static uint64_t chance_state;

/* xorshift64*: the same cases for the same seed, everywhere. */
static uint32_t chance(uint32_t below)
{
	chance_state ^= chance_state >> 12;
	chance_state ^= chance_state << 25;
	chance_state ^= chance_state >> 27;
	return (uint32_t)((chance_state * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

#define PICK(list) ((list)[chance(sizeof(list) / sizeof((list)[0]))])

static void fail(const char *what)
{
	fprintf(stderr, "http_differential: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void add_bytes(struct text *text, const char *bytes, size_t size)
{
	if (sizeof(text->bytes) - text->size < size) {
		errno = ENOBUFS;
		fail("a message");
	}
	memcpy(text->bytes + text->size, bytes, size);
	text->size += size;
}

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	int size = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	add_bytes(text, line, (size_t)size);
}

/* What a client may send */

static void add_target(struct text *text)
{
	static const char *const segments[] = {
		"a",	 "b.c",	  "..",	     ".",      "",	 "%2e",	   "%2E%2e", "%2f",   "%5c",
		"x%2fy", "a;b=c", "%7Euser", "~user",  "%41",	 "%e4%B8", "a+b",    "@:",    "[0]",
		"{x}",	 "a|b",	  "^`",	     "%20",    "%3f",	 "%23",	   "%25",    "%252e", "...",
		"a..b",	 "'()*",  "$&,!=",   "%0d%0a", "%0aX:b", "-_.~a",  "longer", "%2541"};
	static const char *const queries[] = {
		"",   "?",	 "?a=b&c=d",	 "?a?b", "?../..", "?%2e%2E", "?a[]=1&b={c}",
		"?|", "?\\a^`~", "?a=%20%0d%0a", "?a+b", "?/",	   "?;",      "?http://x/y"};

	for (uint32_t n = chance(6); n > 0; n--)
		add(text, "/%s", PICK(segments));
	add(text, "/%s%s", PICK(segments), PICK(queries));
}

static const char *a_host(void)
{
	static const char *const hosts[] = {"a",
					    "A.Example",
					    "a.example:8080",
					    "a-b.c_d",
					    "192.0.2.1",
					    "[::1]:80",
					    "[2001:db8::1]",
					    "a.example.",
					    "a.example.:81",
					    "xn--bcher-kva.example"};

	return PICK(hosts);
}

static void add_field(struct text *text)
{
	static const char *const fields[] = {
		"Accept: */*",
		"accept:text/html, */*;q=0.1",
		"X-Empty:",
		"X-Empty: \t ",
		"Connection: keep-alive",
		"Connection: close",
		"Connection: X-Probe",
		"Connection: X-A, , close",
		"X-A: listed, maybe",
		"Keep-Alive: timeout=5, max=100",
		"Proxy-Connection: keep-alive",
		"TE: trailers",
		"TE: gzip;q=0.5",
		"Connection: TE",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
		"13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==",
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
		"AAMAAABkAAQAAP__",
		"X-Forwarded-For: 10.0.0.1",
		"X-Forwarded-Proto: https",
		"X_Forwarded_For: 10.0.0.1",
		"Content_Length: 7",
		"Transfer_Encoding: chunked",
		"X-Content-Length: 7",
		"Content-Lengthy: 7",
		"Forwarded: for=10.0.0.1",
		"Cookie: a=b; c=\"d\"",
		"Expect: 100-continue",
		"Content-Type: multipart/form-data; boundary=x",
		"!#$%&'*+.^_`|~: token",
		"Range: bytes=0-1",
		"Max-Forwards: 0",
		"X-Request-Id: 1",
		"X-Latin: \xe4\xf6\xfc",
	};

	add(text, "%s\r\n", PICK(fields));
}

static void add_body(struct text *text)
{
	static const char *const extensions[] = {"", "", ";a", ";a=b", ";a=\"b;c\"", ";"};
	static const char *const trailers[] = {"", "", "X-Sum: 1\r\n",
					       "Set-Cookie: a=b\r\nX-B:\r\n"};
	static const char *const bodies[] = {"",
					     "a",
					     "hello",
					     "0\r\n\r\n",
					     "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
					     "\r\n\r\n",
					     "5\r\nabcde\r\n0\r\n\r\n",
					     "line\r\nline\r\n"};
	const char *body;

	switch (chance(3)) {
	case 0:
		add(text, "\r\n");
		return;
	case 1:
		body = PICK(bodies);
		add(text, "%s: %s%zu\r\n\r\n", chance(2) ? "Content-Length" : "content-length",
		    chance(3) ? "" : "00", strlen(body));
		add(text, "%s", body);
		return;
	default:
		add(text, "Transfer-Encoding: %s\r\n\r\n", chance(2) ? "chunked" : "CHUNKED");
		for (uint32_t n = chance(4); n > 0; n--) {
			body = PICK(bodies);
			if (*body)
				add(text, "%s%zx%s\r\n%s\r\n", chance(3) ? "" : "0", strlen(body),
				    PICK(extensions), body);
		}
		add(text, "0%s\r\n%s\r\n", PICK(extensions), PICK(trailers));
	}
}

static void make_request(struct text *text)
{
	static const char *const methods[] = {"GET",	"GET",	 "HEAD",     "POST",	 "PUT",
					      "DELETE", "PATCH", "PROPFIND", "M-SEARCH", "QUERY"};
	static const char *const probes[] = {"1",      " a b ",		 "\ta\tb\t", "",
					     "\"q\"",  "a,b, c",	 "\xc3\xa4", "x: y",
					     "%0d%0a", "GET / HTTP/1.1", "|",	     "chunked"};

	text->size = 0;
	if (chance(8) == 0)
		add(text, "\r\n");
	if (chance(64) == 0) {
		add(text, "OPTIONS %s", chance(2) ? "*" : "http://other");
	} else {
		add(text, "%s ", PICK(methods));
		if (chance(6) == 0)
			add(text, "http://%s", a_host());
		add_target(text);
	}
	add(text, " HTTP/1.%d\r\n", chance(8) > 0);
	for (uint32_t n = chance(3); n > 0; n--)
		add_field(text);
	add(text, "Host: %s\r\n", a_host());
	add(text, "X-Probe:%s\r\n", PICK(probes));
	for (uint32_t n = chance(5); n > 0; n--)
		add_field(text);
	add_body(text);
}

/* Not in the method, as not every server takes every one. */
static void damage(struct text *text)
{
	static const char bytes[] = "\r\n \t:;,/.%0\0a\x7f\x80\"#?[@\\_-";
	const char *space = memchr(text->bytes, ' ', text->size);
	size_t start = (size_t)(space - text->bytes) + 1;

	for (uint32_t n = 1 + chance(3); n > 0; n--) {
		size_t at = start + chance((uint32_t)(text->size - start));
		char *place = text->bytes + at;
		switch (chance(4)) {
		case 0:
			*place = bytes[chance(sizeof(bytes) - 1)];
			break;
		case 1:
			memmove(place + 1, place, text->size - at);
			*place = bytes[chance(sizeof(bytes) - 1)];
			text->size++;
			break;
		case 2:
			memmove(place, place + 1, text->size - at - 1);
			text->size--;
			break;
		default:
			*place ^= (char)(1 << chance(8));
		}
	}
}

/* What we make of it */

struct body {
	char payload[4 * MESSAGE_MAX];
	size_t size;
	const char *trailers; /* of a chunked one; NULL: none */
	size_t trailers_size;
};

/* false: refused, or not all there. */
static bool read_body(const struct http_head *head, const struct text *text, struct body *body)
{
	const char *at = text->bytes + head->size, *end = text->bytes + text->size;
	struct http_chunks chunks;
	int err = -EAGAIN;

	body->size = 0;
	if (head->framing == HTTP_FRAMING_NONE)
		return true;
	if (head->framing == HTTP_FRAMING_LENGTH) {
		if ((uint64_t)(end - at) < head->length)
			return false;
		memcpy(body->payload, at, head->length);
		body->size = head->length;
		return true;
	}
	http_chunks_begin(&chunks);
	while (at < end && err == -EAGAIN) {
		struct http_piece piece;
		err = http_chunks_next(&chunks, at, (size_t)(end - at), &piece);
		memcpy(body->payload + body->size, at + piece.framing, piece.payload);
		body->size += piece.payload;
		at += piece.framing + piece.payload;
	}
	body->trailers = at;
	body->trailers_size = (size_t)(end - at);
	return err == 0;
}

static bool add_chunked(struct text *out, const struct body *body)
{
	struct http_field list[HTTP_FIELDS];
	char head[HTTP_CHUNK_HEAD_MAX], end[MESSAGE_MAX];
	struct http_fields fields;
	enum http_refusal refusal;

	http_fields_begin(&fields, list, HTTP_FIELDS, 0);
	if (http_fields_parse(&fields, body->trailers, (uint32_t)body->trailers_size, &refusal) ||
	    http_trailers_check(&fields))
		return false;
	for (size_t at = 0, n; at < body->size; at += n) {
		n = 1 + chance(16);
		if (n > body->size - at)
			n = body->size - at;
		add_bytes(out, head, http_chunk_head(n, head));
		add_bytes(out, body->payload + at, n);
		add(out, "\r\n");
	}
	ssize_t size = http_forward_trailers(&fields, body->trailers, end, sizeof(end));
	add_bytes(out, end, (size_t)size);
	return true;
}

static void add_said(struct expected *expected, struct http_text text)
{
	memcpy(expected->said + expected->size, text.at, text.size);
	expected->size += text.size;
}

/* What a server must say of the head that we send and the body behind it. */
static void expect(struct expected *expected, const char *written, size_t size, size_t body_size)
{
	struct http_field list[HTTP_FIELDS], *probe;
	struct http_head head;
	char length[32];

	http_head_request(&head, list, HTTP_FIELDS, HTTP_HEAD_BYTES);
	if (http_head_parse(&head, written, size) || head.size != size) {
		fprintf(stderr, "our own head is refused: %s\n%.*s\n",
			http_refusal_facts(head.refusal)->text, (int)size, written);
		exit(1);
	}
	probe = http_fields_find(&head.fields, written, HTTP_TEXT("X-Probe"), 0);
	expected->size = 0;
	add_said(expected, http_text(written, head.method_text));
	add_said(expected, HTTP_TEXT("|"));
	add_said(expected, http_text(written, head.path));
	add_said(expected, http_text(written, head.query));
	add_said(expected, HTTP_TEXT("|"));
	add_said(expected, http_text(written, head.authority));
	add_said(expected, HTTP_TEXT("|"));
	if (probe)
		add_said(expected, http_text(written, probe->value));
	snprintf(length, sizeof(length), "|%zu", body_size);
	add_said(expected, (struct http_text){length, strlen(length)});
}

/* Reads a client's request and appends it as it goes on. false: it is refused. */
static bool forward(const struct text *sent, bool last, struct text *out, struct expected *expected)
{
	static const struct http_extra close = {{"Connection", 10}, {"close", 5}};
	struct http_to_task onward = {.host = HTTP_TEXT("none.example"),
				      .client = HTTP_TEXT("192.0.2.7"),
				      .proto = HTTP_TEXT("http"),
				      .port = HTTP_TEXT("80"),
				      .request_id = HTTP_TEXT("id")};
	char written[2 * MESSAGE_MAX], path[MESSAGE_MAX];
	struct http_field list[HTTP_FIELDS];
	struct http_head head;
	struct body body = {0};

	http_head_request(&head, list, HTTP_FIELDS, MESSAGE_MAX);
	if (http_head_parse(&head, sent->bytes, sent->size) || head.form == HTTP_FORM_AUTHORITY ||
	    !read_body(&head, sent, &body))
		return false;
	if (head.form == HTTP_FORM_ASTERISK)
		onward.path = HTTP_TEXT("*");
	else if (http_path_normalise(http_text(sent->bytes, head.path), path, &onward.path))
		return false;
	onward.query = http_text(sent->bytes, head.query);
	if (last && !head.upgrade && !head.takes_trailers) {
		onward.extra = &close;
		onward.n_extra = 1;
	}
	ssize_t size = http_forward_request(&head, sent->bytes, &onward, written, sizeof(written));
	size_t before = out->size;
	add_bytes(out, written, (size_t)size);
	if (head.framing == HTTP_FRAMING_LENGTH)
		add_bytes(out, body.payload, body.size);
	if (head.framing == HTTP_FRAMING_CHUNKED && !add_chunked(out, &body)) {
		out->size = before;
		return false;
	}
	expect(expected, written, (size_t)size, body.size);
	return true;
}

/* What the server makes of it */

static int connect_to(const struct sockaddr_in *server)
{
	struct timeval limit = {.tv_sec = 5};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)server, sizeof(*server)))
		fail("connect");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

struct answers {
	char bytes[16 * MESSAGE_MAX];
	size_t size, at;
	int fd;
};

static bool read_more(struct answers *answers)
{
	ssize_t n = recv(answers->fd, answers->bytes + answers->size,
			 sizeof(answers->bytes) - answers->size, 0);

	if (n > 0)
		answers->size += (size_t)n;
	return n > 0;
}

/* The next final answer's status and body; 0 if there is none. */
static unsigned int next_answer(struct answers *answers, enum http_method method,
				struct http_text *body)
{
	struct http_head head, request = {.method = method};
	struct http_field list[HTTP_FIELDS];
	int err;

	do {
		http_head_response(&head, list, HTTP_FIELDS, HTTP_HEAD_BYTES, &request);
		while ((err = http_head_parse(&head, answers->bytes + answers->at,
					      answers->size - answers->at)) == -EAGAIN)
			if (!read_more(answers))
				return 0;
		if (err)
			return 0;
		answers->at += head.size;
	} while (head.status < 200);
	if (head.framing != HTTP_FRAMING_LENGTH)
		head.length = 0;
	while (answers->size - answers->at < head.length)
		if (!read_more(answers))
			return 0;
	*body = (struct http_text){answers->bytes + answers->at, head.length};
	answers->at += head.length;
	return head.status;
}

static bool as_expected(struct http_text said, const struct expected *expected)
{
	return http_text_equal(said, (struct http_text){expected->said, expected->size});
}

static void show(const char *what, const char *bytes, size_t size)
{
	printf("%s: ", what);
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		if (byte == '\n')
			printf("\\n\n    ");
		else if (byte < ' ' || byte >= 0x7f)
			printf("\\x%02x", byte);
		else
			putchar(byte);
	}
	printf("\n");
}

/* Sends a case's requests and compares the answers. */
static void compare(const struct sockaddr_in *server, const struct text *sent,
		    const struct expected *expected, unsigned int n, struct counts *counts)
{
	static struct answers answers;
	struct http_text said;

	answers.size = answers.at = 0;
	answers.fd = connect_to(server);
	if (send(answers.fd, sent->bytes, sent->size, MSG_NOSIGNAL) != (ssize_t)sent->size)
		fail("send");
	for (unsigned int i = 0; i < n; i++) {
		bool to_head = strncmp(expected[i].said, "HEAD|", 5) == 0;
		unsigned int status =
			next_answer(&answers, to_head ? HTTP_METHOD_HEAD : HTTP_METHOD_GET, &said);
		if (status >= 400) {
			counts->refused_by_them++;
			goto out;
		}
		if (status != 200 || (!to_head && !as_expected(said, &expected[i]))) {
			counts->different++;
			printf("request %u of %u was read differently (status %u)\n", i + 1, n,
			       status);
			show("sent", sent->bytes, sent->size);
			show("expected", expected[i].said, expected[i].size);
			show("said", said.at, status == 200 ? said.size : 0);
			goto out;
		}
		counts->requests++;
	}
	/* Not before: a server may take it for a client that is gone. */
	shutdown(answers.fd, SHUT_WR);
	while (answers.size == answers.at && read_more(&answers))
		;
	if (answers.size > answers.at) {
		counts->different++;
		printf("more answers than %u requests\n", n);
		show("sent", sent->bytes, sent->size);
		show("answered", answers.bytes, answers.size);
	}
out:
	close(answers.fd);
}

static void run_case(const struct sockaddr_in *server, struct counts *counts)
{
	static struct expected expected[BATCH_MAX];
	static struct text sent, made;
	unsigned int wanted = 1 + chance(BATCH_MAX), n = 0;

	sent.size = 0;
	for (unsigned int i = 0; i < wanted; i++) {
		make_request(&made);
		if (chance(2))
			damage(&made);
		if (forward(&made, i + 1 == wanted, &sent, &expected[n]))
			n++;
		else
			counts->refused_by_us++;
	}
	if (n == 0)
		return;
	counts->cases++;
	compare(server, &sent, expected, n, counts);
}

int main(int argc, char **argv)
{
	struct sockaddr_in server = {.sin_family = AF_INET};
	struct counts counts = {0};
	char *colon = argc == 4 ? strchr(argv[1], ':') : NULL;

	if (!colon) {
		fprintf(stderr, "use: http_differential ADDRESS:PORT SEED CASES\n");
		return 2;
	}
	*colon = '\0';
	server.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) {
		fprintf(stderr, "http_differential: %s is no IPv4 address\n", argv[1]);
		return 2;
	}
	chance_state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15ULL + 1;
	/* Each that is read differently may cost its time limit: a few tell enough. */
	for (unsigned long n = strtoul(argv[3], NULL, 10); n > 0 && counts.different < 5; n--)
		run_case(&server, &counts);
	printf("cases=%u requests=%u refused_by_us=%u refused_by_them=%u different=%u\n",
	       counts.cases, counts.requests, counts.refused_by_us, counts.refused_by_them,
	       counts.different);
	return counts.different > 0;
}
