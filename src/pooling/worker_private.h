/*
 * What the files of the worker module share: worker.c (threads, arrivals,
 * messages to all), worker_walk.c (over all connections in slices),
 * worker_show.c (what SHOW asks). Thread: the worker's.
 */
#ifndef WORKER_PRIVATE_H
#define WORKER_PRIVATE_H

#include <pthread.h>

#include "pooling/client.h"
#include "pooling/drain.h"
#include "pooling/server.h"
#include "pooling/walk.h"
#include "pooling/worker.h"

struct worker {
	struct client_home home;
	struct hub *hub;
	pthread_t thread;
	bool running;
	struct drain *drain; /* NULL while there is none */
};

#endif
