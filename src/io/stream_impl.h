/*
 * What stream.c (the socket) and stream_tls.c (TLS over it) share.
 */
#ifndef STREAM_IMPL_H
#define STREAM_IMPL_H

#include "io/stream.h"

/* stream.c: the socket as it is. */
ssize_t stream_raw_read(struct stream *s, uint8_t *p, size_t cap);
bool stream_raw_write(struct stream *s, const void *p, size_t n);
/* Neither reads nor writes any more; the owner hears of it by reading, by and
 * by (tell) or from the call it is in. */
void stream_break(struct stream *s, int err, bool tell);

/* stream_tls.c: the functions of stream.h for s->tls. */
ssize_t stream_tls_read(struct stream *s, uint8_t *p, size_t cap);
bool stream_tls_write(struct stream *s, const void *p, size_t n);
bool stream_tls_writev(struct stream *s, const struct iovec *v, int n);
bool stream_tls_has_ended(struct stream *s);
void stream_tls_shutdown(struct stream *s);
void stream_tls_close(struct stream *s);
void stream_tls_resumed(struct stream *s);
void stream_tls_detach(struct stream *s);

#endif
