/* With OpenSSL where it was compiled with -DWITH_TLS; else the sink has no TLS, and says so when it is asked for. */
#include "sink_tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>

static SSL_CTX *context;

void tls_load(const char *pem) {
    context = SSL_CTX_new(TLS_server_method());
    if (context && SSL_CTX_use_certificate_chain_file(context, pem) == 1 &&
        SSL_CTX_use_PrivateKey_file(context, pem, SSL_FILETYPE_PEM) == 1)
        return;
    ERR_print_errors_fp(stderr);
    exit(1);
}

struct ssl_st *tls_begin(int fd) {
    SSL *tls = SSL_new(context);
    if (tls == NULL) return NULL;
    if (SSL_set_fd(tls, fd) != 1) {
        SSL_free(tls);
        return NULL;
    }
    SSL_set_accept_state(tls);
    return tls;
}

ssize_t tls_receive(struct ssl_st *tls, char *into, size_t size) {
    size_t got;
    ERR_clear_error();
    int result = SSL_read_ex(tls, into, size, &got);
    if (result == 1) return (ssize_t)got;
    if (SSL_get_error(tls, result) != SSL_ERROR_WANT_READ) return 0;
    errno = EAGAIN;
    return -1;
}

int tls_has_more(const struct ssl_st *tls) { return SSL_pending(tls) > 0; }

int tls_send(struct ssl_st *tls, const char *text, size_t length) {
    size_t sent;
    ERR_clear_error();
    return SSL_write_ex(tls, text, length, &sent) == 1 && sent == length;
}

void tls_end(struct ssl_st *tls) { SSL_free(tls); }

#else

void tls_load(const char *pem) {
    fprintf(stderr, "sink: cannot use %s: compiled without TLS\n", pem);
    exit(1);
}

struct ssl_st *tls_begin(int fd) { return (void)fd, NULL; }
ssize_t tls_receive(struct ssl_st *tls, char *into, size_t size) { return (void)tls, (void)into, (void)size, 0; }
int tls_has_more(const struct ssl_st *tls) { return (void)tls, 0; }
int tls_send(struct ssl_st *tls, const char *text, size_t length) { return (void)tls, (void)text, (void)length, 0; }
void tls_end(struct ssl_st *tls) { (void)tls; }

#endif
