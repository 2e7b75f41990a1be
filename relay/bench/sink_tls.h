/* TLS for the sink: the calls that stand in the place of recv, send and close. */
#ifndef SINK_TLS_H
#define SINK_TLS_H

#include <sys/types.h>

struct ssl_st;  /* OpenSSL's SSL, one a connection */

/* Reads the certificate and its key from one PEM file; ends the program if that cannot be. */
void tls_load(const char *pem);

/* The handshake takes place in the first calls of tls_receive. NULL: there is no memory. */
struct ssl_st *tls_begin(int fd);

/* As recv: 0 when the connection is done for, -1 with EAGAIN when nothing more has come. */
ssize_t tls_receive(struct ssl_st *tls, char *into, size_t size);

/* Whether something has been taken from the socket that tls_receive has not given yet: epoll knows nothing of it. */
int tls_has_more(const struct ssl_st *tls);

/* 1 if all of it was sent. */
int tls_send(struct ssl_st *tls, const char *text, size_t length);

void tls_end(struct ssl_st *tls);

#endif
