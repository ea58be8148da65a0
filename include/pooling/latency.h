/*
 * latency: how long things take in one pool, on one worker: histograms in
 * microseconds. A worker has them for the pools that it uses just now; they go
 * when the pool has neither clients nor servers.
 *
 * Threads: the worker's adds, any may read.
 */
#ifndef POOLING_LATENCY_H
#define POOLING_LATENCY_H

#include "base/hist.h"

enum latency_of {
	LATENCY_WAIT, /* for a server; 0 for those who got one at once */
	LATENCY_QUERY,
	LATENCY_XACT,
	LATENCY_LOGIN, /* of a client: from connecting to its welcome */
	N_LATENCIES
};

struct latency {
	struct hist h[N_LATENCIES];
};

#endif
