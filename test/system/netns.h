/*
 * netns: a network of our own for one test program: an empty one, with a
 * loopback that nobody else is on. So name servers can have port 53 there, which
 * is the only one that a resolv.conf knows, and hosts can be firewalled.
 */
#ifndef TEST_SYSTEM_NETNS_H
#define TEST_SYSTEM_NETNS_H

#include <stdbool.h>

/* Moves this process into it, before fx_main(). False, with a word on stderr,
 * where the kernel does not let us (the test is skipped then). */
bool netns_enter(void);
/* Whether netns_firewall() can be used: by root, with iptables. */
bool netns_can_firewall(void);

enum firewall {
	FIREWALL_OFF,
	FIREWALL_DROP, /* packets vanish, both ways */
	FIREWALL_RESET, /* whatever is sent there is answered by a reset */
};
/* For TCP to ip (all ports) and back. */
void netns_firewall(const char *ip, enum firewall f);

/* From now on PostgreSQL is at both of these, which stand for two machines. */
#define NETNS_FIRST "127.0.0.1"
#define NETNS_SECOND "127.0.0.2"
void netns_two_hosts(void);

#endif
