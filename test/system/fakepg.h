/*
 * fakepg: a server that behaves as a test tells it: late, wrong, rude, or
 * not at all. Each connection runs the test's own function in a thread of
 * its own, written with the few steps below. They must not use Check's
 * macros; they count in atomics, and the test asserts.
 */
#ifndef TEST_SYSTEM_FAKEPG_H
#define TEST_SYSTEM_FAKEPG_H

#include "raw.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fakepg;

struct fake_conn {
	struct fakepg *server;
	int fd;
	int number; /* 0 for the first connection */
	uint8_t *body; /* of the message read last */
	size_t n;
};

typedef void fake_serve(struct fake_conn *c, void *arg);

/* Listens on a port of its own on 127.0.0.1. */
struct fakepg *fakepg_start(fake_serve *serve, void *arg);
int fakepg_port(const struct fakepg *f);
int fakepg_accepted(const struct fakepg *f); /* connections so far */
int fakepg_open(const struct fakepg *f); /* being served now */
void fakepg_stop(struct fakepg *f);

/* Answers SSLRequest with N, reads the StartupMessage. False: the peer has
 * gone, or it was a CancelRequest. */
bool fake_startup(struct fake_conn *c);
/* Type of the next message, 0 at end of file. */
char fake_read(struct fake_conn *c);
bool fake_send(struct fake_conn *c, struct pkt *k);
bool fake_bytes(struct fake_conn *c, const void *p, size_t n);
/* AuthenticationOk, a few ParameterStatus, BackendKeyData, ReadyForQuery. */
bool fake_welcome(struct fake_conn *c);
bool fake_welcome_rest(struct fake_conn *c); /* without the first */
void fake_put_auth(struct pkt *k, uint32_t kind);
void fake_put_status(struct pkt *k, const char *name, const char *value);
void fake_put_error(struct pkt *k, const char *severity, const char *code,
    const char *text);
void fake_put_ready(struct pkt *k, char status);
/* Row with one text column, its description and CommandComplete. */
void fake_put_answer(struct pkt *k, const char *value);
/* Answers each Query with value until the peer leaves. */
void fake_queries(struct fake_conn *c, const char *value);
/* Reads until the peer leaves. */
void fake_linger(struct fake_conn *c);

/*
 * A port that neither answers nor refuses: its accept queue is full, so
 * that the kernel drops every SYN.
 */
struct blackhole {
	int fds[16];
	int n, port;
};

void blackhole_open(struct blackhole *b);
void blackhole_close(struct blackhole *b);

#endif
