/*
 * addr: a socket address, small enough for 100,000 clients. Pure but for the
 * two functions that ask a socket.
 */
#ifndef IO_ADDR_H
#define IO_ADDR_H

#include <sys/socket.h>

#include "base/base.h"
#include "policy/net.h"

struct addr {
	uint8_t family; /* AF_INET, AF_INET6, AF_UNIX, 0 = unknown */
	uint16_t port; /* host order; Unix: 0 */
	uint32_t pid; /* Unix: the peer's, if known */
	uint8_t ip[16];
};
void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa);
/* Fills ss for connect(); AF_INET and AF_INET6 only. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss);
/* A numeric address; false for a name. */
bool addr_parse(struct addr *a, const char *text, uint16_t port);
bool addr_eq(const struct addr *a, const struct addr *b);
/* "10.0.0.7", "::1", "unix": what SHOW prints in its addr columns. */
void addr_host(const struct addr *a, char *out, size_t cap);
/* "10.0.0.7:5123", "[::1]:5123", "unix(1234)": what log lines print. */
void addr_text(const struct addr *a, char *out, size_t cap);
#define ADDR_TEXT 64
/* The address alone, for networks; none for a Unix socket. */
struct ip addr_ip(const struct addr *a);
void addr_of_peer(struct addr *a, int fd);
void addr_of_socket(struct addr *a, int fd);

#endif
