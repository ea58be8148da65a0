/*
 * verb_impl: what the commands do, for the table in verb.c; one group per
 * file. Each gets an order whose words and rights are right.
 */
#ifndef CONTROL_VERB_IMPL_H
#define CONTROL_VERB_IMPL_H

#include "control/verb.h"

void do_pause(struct order *q);
void do_resume(struct order *q);
void do_disable(struct order *q);
void do_enable(struct order *q);
void do_reconnect(struct order *q);
void do_wait_close(struct order *q);
void do_suspend(struct order *q);
void do_kill(struct order *q);
void do_kill_client(struct order *q);
void do_reload(struct order *q);
void do_set(struct order *q);
void do_shutdown(struct order *q);

/* `PAUSE 'shop' command issued`, behind who it was. */
void verb_log(const struct order *q);

#endif
