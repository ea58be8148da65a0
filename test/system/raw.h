/*
 * raw: a client that speaks bytes. For what libpq would never send: hostile
 * lengths, messages cut at any byte, a client that leaves in the middle.
 *
 * Every read has a deadline and fails the test when it passes.
 */
#ifndef TEST_SYSTEM_RAW_H
#define TEST_SYSTEM_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing message text; zeroed is empty. */
struct pkt {
	uint8_t *p;
	size_t n, cap, head;
};

void pkt_raw(struct pkt *k, const void *p, size_t n);
void pkt_u8(struct pkt *k, int v);
void pkt_i16(struct pkt *k, int v);
void pkt_i32(struct pkt *k, uint32_t v);
void pkt_str(struct pkt *k, const char *s); /* with its NUL */
/* A message: type 0 is a first message, which has no type byte. */
void pkt_begin(struct pkt *k, char type);
void pkt_end(struct pkt *k);
void pkt_free(struct pkt *k);

/* Whole messages, appended. */
void pkt_startup(struct pkt *k, const char *user, const char *db);
/* The same asking for another version of the protocol; options, separated by
 * blanks, go in with the value "1". */
void pkt_startup_as(struct pkt *k, uint32_t version, const char *user,
    const char *db, const char *options);
void pkt_password(struct pkt *k, const char *text);
void pkt_query(struct pkt *k, const char *sql);
void pkt_parse(struct pkt *k, const char *name, const char *sql);
void pkt_bind(struct pkt *k, const char *portal, const char *stmt);
void pkt_execute(struct pkt *k, const char *portal, int rows);
void pkt_describe(struct pkt *k, char kind, const char *name);
void pkt_empty(struct pkt *k, char type); /* Sync, Flush, Terminate ... */
void pkt_cancel(struct pkt *k, uint32_t pid, uint32_t key);
void pkt_cancel_long(struct pkt *k, uint32_t pid, const void *key, size_t n);

/* One message received; the body is valid until the next read. */
struct msg {
	char type; /* 0: end of file */
	size_t n;
	const uint8_t *body;
};

struct raw {
	int fd;
	uint32_t pid, key; /* from BackendKeyData */
	uint8_t secret[256]; /* the same, however long it is */
	size_t secret_n;
	uint8_t *buf;
	size_t n, cap, used;
};

/* Connects by TCP to 127.0.0.1; never NULL. Owner closes. */
struct raw *raw_connect(int port);
void raw_close(struct raw *r);
/* Close with RST instead of FIN. */
void raw_reset(struct raw *r);
/* No more from us (FIN), but we still read. */
void raw_shut(struct raw *r);
/* Sends all; false when the peer has gone. */
bool raw_send(struct raw *r, const void *p, size_t n);
/* Sends a packet and frees it. */
bool raw_put(struct raw *r, struct pkt *k);
/* The same, each byte in a segment of its own. */
bool raw_put_bytewise(struct raw *r, struct pkt *k);
/* Next message; type 0 when the peer has closed. */
struct msg raw_next(struct raw *r, int ms);
/* One byte, as the answer to SSLRequest is; -1 at end of file. */
int raw_byte(struct raw *r, int ms);
/* Is there a message, or the end, within ms? */
bool raw_ready(struct raw *r, int ms);
/* Skips to a message of this type, fails the test at end of file. */
struct msg raw_until(struct raw *r, char type, int ms);
/* Reads messages up to ReadyForQuery: their types as text, e.g. "12DCZ". */
const char *raw_types(struct raw *r, int ms);
/* Reads to end of file: types of what came before it. */
const char *raw_types_to_end(struct raw *r, int ms);
/* One field of an ErrorResponse or NoticeResponse body, "" if missing. */
const char *msg_field(const struct msg *m, char field);
/* Text of the first column of a DataRow. */
const char *msg_value(const struct msg *m);
/* Logs in (trust), reads up to ReadyForQuery. */
struct raw *raw_login(int port, const char *user, const char *db);
struct raw *raw_login_as(int port, uint32_t version, const char *user,
    const char *db);
/* A CancelRequest with the first n bytes of r's secret, to any port; back when
 * it has been dealt with. */
void raw_cancel(const struct raw *r, int port, size_t n);
/* Sends Query and gives the first value of its answer. */
const char *raw_query(struct raw *r, const char *sql);

#endif
