#include "pooling/parcel.h"

#include <stdlib.h>
#include <unistd.h>

void
parcel_free(struct parcel *p)
{
	if (p->fd != -1)
		close(p->fd);
	if (p->waiting)
		atomic_fetch_sub(p->waiting, buf_len(&p->bytes));
	buf_wipe_free(&p->bytes);
	free(p);
}
