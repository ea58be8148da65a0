/*
 * server_login: from connect() to the first ReadyForQuery of a server
 * connection (55.2.1 Start-up): name look-up, socket, StartupMessage, password
 * exchange, connect_query, and the welcome that clients will be given.
 *
 * The inside of server.c; nobody else calls this. Thread: the server's loop.
 */
#ifndef POOLING_SERVER_LOGIN_H
#define POOLING_SERVER_LOGIN_H

#include "base/base.h"

struct server;
struct stream_ops;

/* The socket is connected, or failed to. */
void login_connected(struct server *s);
/* Something came; true: it was about TLS, before any message. */
bool login_readable(struct server *s);
/* A whole message came. False when the server is closing. Once it is logged in,
 * s->login is NULL, and the owner is told behind the batch. */
bool login_message(struct server *s, uint8_t type, struct span body);
/* The socket ended in the middle of it. */
void login_lost(struct server *s);
/* server_connect_timeout is over. */
void login_timed_out(struct server *s);
void login_state_free(struct server *s);

/* From server.c: what a server's stream tells while no client is linked. */
const struct stream_ops *server_stream_ops(void);

#endif
