/*
 * What the files of the client module share: client.c (states, clocks, birth
 * and end), client_login.c (first byte to welcome), client_query.c (requests,
 * with and without a server), client_hear.c (LISTEN). Thread: the client's
 * worker.
 */
#ifndef CLIENT_PRIVATE_H
#define CLIENT_PRIVATE_H

#include "pooling/client.h"

/* What a queueing client may send before it is no longer read. */
#define WAITING_MAX (64 * 1024)

/* client.c */
extern const struct stream_ops client_stream_ops;
/* The only writer of the state; false for an illegal move. */
bool client_enter(struct client *c, enum client_state st);
void client_enter_idle(struct client *c);
/* Sends, and frees, what is in b. */
void client_send(struct client *c, struct buf *b);
/* What is unsent is sent first. reason NULL: no log line. */
void client_close(struct client *c, const char *reason);
/* Takes it out of everything, so that only its socket is left... */
void client_let_go(struct client *c);
/* ... and that too. */
void client_finish_close(struct client *c);
/* An error that it is told of is counted. */
void client_tally(struct client *c, const struct err *e);
/* Tell it why, FATAL, and close. */
void client_fatal(struct client *c, const struct err *e);
void client_fail(struct client *c, const char *sqlstate, const char *text);
void client_bad_header(struct client *c, struct span bytes);
/* It counts as one that has not logged in no more. */
void client_leave_logins(struct client *c);
void client_set_waiting_timer(struct client *c);
/* A drain: closes it, unless it has asked for more already. */
void client_part(struct client *c);

/* client_log.c: lines of the log, as far as they are wanted */
void client_log_login(const struct client *c); /* while it has its login */
void client_log_closing(const struct client *c, const char *reason);
void client_log_error(const struct client *c, const struct err *e);
/* One of a limited number: a client may ask again at once. */
void client_log_full(const struct client *c, const struct err *e);
void client_log_slow(const struct client *c, const struct slow_query *q);

/* A client without socket, login and place in any list. */
struct client *client_bare(struct client_home *h, const struct addr *peer,
    bool is_unix);

/* client_login.c */
/* Closes one of far too many, without a line for each. */
void client_drop_stranger(struct client *c);
void client_login_readable(struct client *c);
/* The login has got an answer from elsewhere; arg is the client. */
void client_login_resumed(void *arg);
void client_greet_readable(struct client *c);
void client_greet_timed_out(struct client *c);
void client_welcomed(struct waiter *w);

/* client_query.c */
void client_idle_readable(struct client *c);
void client_waiting_readable(struct client *c);
/* Idle again: with what is held, if it is. */
void client_go_on(struct client *c);
/* Keeps bytes for later; goes on with what is kept. */
void client_keep(struct client *c, const uint8_t *p, size_t n);
void client_input_held(struct client *c);
void client_granted(struct waiter *w, struct server *s);
void client_wait_failed(struct waiter *w, const struct err *e);
void client_called(struct cancel_entry *e, struct cancel_call *call);

/* What RESET gives it back, of tracked names (or NULL). Clients of a worker that
 * ask for the same share it. */
void client_asked(struct client *c, struct param_set *asked);
/* client_hear.c: LISTEN, as pooling/fanout carries it out. */
/* For the relay. */
void client_hear(void *arg, struct channels *want);
void client_rests(void *arg);
/* Its LISTEN is under way, and a ReadyForQuery is held back. */
bool client_is_hearing(const struct client *c);
/* The timer of a call. */
void client_hearing_timed_out(struct client *c);
/* It may be told what has come meanwhile. */
void client_tell_heard(struct client *c);
void client_stop_hearing(struct client *c);

/* client_query.c and client_login.c: startup settings are tried on a server,
 * and were taken. */
void client_try_settings(struct client *c, struct server *s);
void client_settings_taken(struct client *c);

#endif
