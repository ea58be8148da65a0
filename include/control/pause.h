/*
 * pause: PAUSE and RESUME for all who give them (console, signals, shutdown),
 * and the ends that a PAUSE with TIMEOUT sets itself.
 *
 * Thread: main.
 */
#ifndef CONTROL_PAUSE_H
#define CONTROL_PAUSE_H

#include "control/plane.h"
#include "pooling/database.h"

/* db NULL = all. Resumes by itself after for_us; 0 = never. The last PAUSE of
 * a database says how long it lasts. */
void pause_begin(struct plane *pl, struct database *db, usec_t for_us);
void pause_end(struct plane *pl, struct database *db);
/* Each and every pause ends. False: there was none. */
bool pause_end_all(struct plane *pl);
/* No pause ends by itself any more. */
void pause_fini(struct plane *pl);

#endif
