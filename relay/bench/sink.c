/* The receiver of a benchmark: answers POSTs for next to nothing, and counts what came.
 *
 * It listens on one port of 127.0.0.1, 127.0.0.2, ... (each a host of its own to the client's pool). The path says who
 * is meant and what to answer: /ENDPOINT, /ENDPOINT/delay/MILLISECONDS, /ENDPOINT/never, /ENDPOINT/status/CODE.
 * Of every request it keeps a record: the event's id, when the first byte came (CLOCK_MONOTONIC), the endpoint, the
 * status. Each so many-th request is captured whole, to be verified afterwards.
 *
 * usage: sink ADDRESSES CAPTURE_FILE CAPTURE_EVERY [CERTIFICATE]
 * With a certificate (and its key, in one PEM file) it speaks TLS. Says "ready PORT"; then answers commands on stdin, a
 * line each: stats; dump FILE; pace MILLISECONDS, after which /ENDPOINT is answered from now on; reset, which forgets
 * what came and the pace. Ends when stdin does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "sink_tls.h"

enum { FIRST_BUFFER = 4096, LARGEST_REQUEST = 8 << 20, EVENTS = 512, LONGEST_HEAD = 64 << 10 };

struct record {
    uint8_t id[16];
    uint64_t first_ns;
    uint32_t endpoint;
    uint16_t status;
    uint16_t reused;
};

struct connection {
    int fd;
    int listens;
    int waiting;          /* a request is being answered later, or never */
    uint32_t generation;  /* tells a late answer that its connection is another one now */
    uint64_t requests;
    uint64_t first_ns;
    size_t length, capacity;
    char *buffer;
    struct ssl_st *tls;  /* NULL: in the clear */
    struct connection *next_free;
};

struct answer {
    uint64_t due_ns;
    struct connection *connection;
    uint32_t generation;
    int status;
};

struct request {
    size_t head, total;
    uint32_t endpoint;
    int status;
    int64_t delay_ms;  /* -1: never */
    uint8_t id[16];
    int has_id;
};

static int epoll_fd;
static struct record *records;
static size_t record_count, record_capacity;
static uint32_t *table;
static size_t table_size;
static uint64_t distinct, repeated, refused, bad, connections, open_connections, waiting, most_waiting;
static int64_t pace_ms;
static int speaks_tls;
static struct answer *heap;
static size_t heap_count, heap_capacity;
static struct connection *free_connections;
static FILE *capture;
static uint64_t capture_every;
static char date[64];
static time_t date_second;

static void die(const char *what) {
    fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *grown(void *memory, size_t bytes) {
    void *result = realloc(memory, bytes);
    if (result == NULL) die("no memory");
    return result;
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What has arrived: an array in the order of arrival, and a hash table of places in it. */

static uint64_t hash_of(const struct record *record) {
    uint64_t half[2];
    memcpy(half, record->id, 16);
    uint64_t hash = half[0] ^ (half[1] * 0x9e3779b97f4a7c15u) ^ ((uint64_t)record->endpoint * 0xff51afd7ed558ccdu);
    hash ^= hash >> 32;
    return hash * 0x9e3779b97f4a7c15u >> 16;
}

static int is_same(const struct record *a, const struct record *b) {
    return a->endpoint == b->endpoint && memcmp(a->id, b->id, 16) == 0;
}

static int put(size_t place) {
    size_t slot = hash_of(&records[place]) & (table_size - 1);
    for (; table[slot] != 0; slot = (slot + 1) & (table_size - 1))
        if (is_same(&records[table[slot] - 1], &records[place])) return 0;
    table[slot] = (uint32_t)place + 1;
    return 1;
}

static int is_taken(const struct record *record) { return record->status >= 200 && record->status <= 299; }

static void widen_table(void) {
    free(table);
    table_size = table_size ? table_size * 4 : 1 << 16;
    table = calloc(table_size, sizeof *table);
    if (table == NULL) die("no memory");
    for (size_t place = 0; place < record_count; place++)
        if (is_taken(&records[place])) put(place);
}

static void note(const struct record *record) {
    if (record_count == record_capacity) {
        record_capacity = record_capacity ? record_capacity * 2 : 1 << 16;
        records = grown(records, record_capacity * sizeof *records);
    }
    if ((distinct + 1) * 2 > table_size) widen_table();
    records[record_count++] = *record;
    if (!is_taken(record)) refused++;
    else if (put(record_count - 1)) distinct++;
    else repeated++;
}

static void forget(void) {
    rewind(capture);
    if (ftruncate(fileno(capture), 0) < 0) die("captured requests");
    record_count = 0;
    distinct = repeated = refused = bad = 0;
    connections = open_connections;
    most_waiting = waiting;
    pace_ms = 0;
    if (table) memset(table, 0, table_size * sizeof *table);
}

/* Answers that are due later: a binary heap by time. */

static void later(struct answer answer) {
    if (heap_count == heap_capacity) {
        heap_capacity = heap_capacity ? heap_capacity * 2 : 1024;
        heap = grown(heap, heap_capacity * sizeof *heap);
    }
    size_t at = heap_count++;
    for (; at > 0 && heap[(at - 1) / 2].due_ns > answer.due_ns; at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
    heap[at] = answer;
}

static struct answer soonest(void) {
    struct answer first = heap[0], last = heap[--heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap_count) break;
        if (child + 1 < heap_count && heap[child + 1].due_ns < heap[child].due_ns) child++;
        if (heap[child].due_ns >= last.due_ns) break;
        heap[at] = heap[child];
        at = child;
    }
    if (heap_count) heap[at] = last;
    return first;
}

/* Connections. */

static void set_waiting(struct connection *connection, int is_waiting) {
    if (is_waiting && !connection->waiting && ++waiting > most_waiting) most_waiting = waiting;
    if (!is_waiting && connection->waiting) waiting--;
    connection->waiting = is_waiting;
}

static struct connection *new_connection(int fd) {
    struct connection *connection = free_connections;
    if (connection) free_connections = connection->next_free;
    else connection = grown(NULL, sizeof *connection), memset(connection, 0, sizeof *connection);
    connection->fd = fd;
    connection->tls = NULL;
    connection->requests = connection->length = 0;
    if (connection->capacity == 0) {
        connection->capacity = FIRST_BUFFER;
        connection->buffer = grown(NULL, connection->capacity);
    }
    return connection;
}

static void hang_up(struct connection *connection) {
    if (connection->tls) tls_end(connection->tls);
    close(connection->fd);
    set_waiting(connection, 0);
    connection->generation++;
    if (connection->capacity > FIRST_BUFFER) {
        free(connection->buffer);
        connection->buffer = NULL;
        connection->capacity = 0;
    }
    connection->next_free = free_connections;
    free_connections = connection;
    open_connections--;
}

static void welcome(struct connection *listener) {
    int fd;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *connection = new_connection(fd);
        if (speaks_tls && (connection->tls = tls_begin(fd)) == NULL) die("TLS");
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
        connections++;
        open_connections++;
    }
    if (errno != EAGAIN && errno != ECONNABORTED) die("accept");
}

/* As many headers as a common server sends, since the client stores them. */
static int respond(struct connection *connection, int status) {
    time_t second = time(NULL);
    if (second != date_second) {
        struct tm parts;
        date_second = second;
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&second, &parts));
    }
    char text[256];
    int length = snprintf(text, sizeof text,
                          "HTTP/1.1 %d %s\r\nServer: sink\r\nDate: %s\r\nContent-Type: text/plain\r\n"
                          "Content-Length: 3\r\nConnection: keep-alive\r\n\r\nok\n",
                          status, status < 300 ? "OK" : "No", date);
    if (connection->tls) return tls_send(connection->tls, text, (size_t)length);
    return send(connection->fd, text, (size_t)length, MSG_NOSIGNAL) == length;
}

/* Requests. */

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static int read_id(const char *text, const char *end, uint8_t id[16]) {
    int digits = 0;
    for (; text < end && digits < 32; text++) {
        if (*text == '-') continue;
        int value = digit_of(*text);
        if (value < 0) return 0;
        id[digits / 2] = (uint8_t)(digits % 2 ? id[digits / 2] | value : value << 4);
        digits++;
    }
    return digits == 32;
}

static void read_path(const char *path, struct request *request) {
    char *rest;
    request->status = 200;
    request->delay_ms = pace_ms;
    request->endpoint = (uint32_t)strtoul(path + 1, &rest, 10);
    if (*rest != '/') return;
    if (strncmp(rest, "/delay/", 7) == 0) request->delay_ms = strtoll(rest + 7, NULL, 10);
    else if (strncmp(rest, "/never", 6) == 0) request->delay_ms = -1;
    else if (strncmp(rest, "/status/", 8) == 0) request->delay_ms = 0, request->status = atoi(rest + 8);
}

static void read_header(const char *line, const char *end, struct request *request) {
    const char *colon = memchr(line, ':', (size_t)(end - line));
    if (colon == NULL) return;
    const char *value = colon + 1;
    while (value < end && *value == ' ') value++;
    size_t name = (size_t)(colon - line);
    if (name == 14 && strncasecmp(line, "content-length", 14) == 0)
        request->total = request->head + strtoul(value, NULL, 10);
    else if (name == 12 && strncasecmp(line, "x-webhook-id", 12) == 0)
        request->has_id = read_id(value, end, request->id);
}

/* 1: the head is there and read; 0: more is to come; -1: this is no request. */
static int read_head(const char *text, size_t length, struct request *request) {
    const char *blank = memmem(text, length < LONGEST_HEAD ? length : LONGEST_HEAD, "\r\n\r\n", 4);
    if (blank == NULL) return length < LONGEST_HEAD ? 0 : -1;
    const char *path = memchr(text, ' ', (size_t)(blank - text));
    if (path == NULL || path[1] != '/') return -1;
    request->head = request->total = (size_t)(blank - text) + 4;
    request->has_id = 0;
    read_path(path + 1, request);
    const char *line = memmem(text, (size_t)(blank + 2 - text), "\r\n", 2);
    while (line < blank) {
        line += 2;
        const char *end = memmem(line, (size_t)(blank + 2 - line), "\r\n", 2);
        read_header(line, end, request);
        line = end;
    }
    return request->total - request->head <= LARGEST_REQUEST ? 1 : -1;
}

static void keep_whole(const struct connection *connection, const struct request *request) {
    struct { uint32_t length, endpoint; } head = {(uint32_t)request->total, request->endpoint};
    fwrite(&head, sizeof head, 1, capture);
    fwrite(connection->buffer, 1, request->total, capture);
}

static int answer_request(struct connection *connection, const struct request *request) {
    struct record record = {.first_ns = connection->first_ns,
                            .endpoint = request->endpoint,
                            .status = (uint16_t)(request->delay_ms < 0 ? 0 : request->status),
                            .reused = connection->requests > 0};
    memcpy(record.id, request->id, sizeof record.id);
    if (request->has_id) note(&record);
    else bad++;
    if (capture_every && record_count % capture_every == 0) keep_whole(connection, request);
    connection->requests++;
    if (request->delay_ms == 0) return respond(connection, request->status);
    set_waiting(connection, 1);
    if (request->delay_ms > 0) {
        uint64_t due = now_ns() + (uint64_t)request->delay_ms * 1000000u;
        later((struct answer){due, connection, connection->generation, request->status});
    }
    return 1;
}

/* Answers every whole request in the buffer; 0 if the connection is done for. */
static int work_off(struct connection *connection) {
    while (connection->length && !connection->waiting) {
        struct request request;
        int found = read_head(connection->buffer, connection->length, &request);
        if (found < 0) {
            bad++;
            return 0;
        }
        if (found == 0 || connection->length < request.total) {
            size_t wanted = found ? request.total : connection->length + FIRST_BUFFER;
            if (wanted > connection->capacity) {
                connection->capacity = wanted;
                connection->buffer = grown(connection->buffer, wanted);
            }
            return 1;
        }
        if (!answer_request(connection, &request)) return 0;
        connection->length -= request.total;
        memmove(connection->buffer, connection->buffer + request.total, connection->length);
        connection->first_ns = now_ns();
    }
    return 1;
}

static ssize_t receive(struct connection *connection) {
    if (connection->length == connection->capacity) {  /* pipelined behind a delayed answer */
        connection->capacity *= 2;
        connection->buffer = grown(connection->buffer, connection->capacity);
    }
    char *into = connection->buffer + connection->length;
    size_t room = connection->capacity - connection->length;
    return connection->tls ? tls_receive(connection->tls, into, room) : recv(connection->fd, into, room, 0);
}

static void serve(struct connection *connection) {
    do {
        ssize_t got = receive(connection);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got > 0 && connection->length == 0) connection->first_ns = now_ns();
        if (got > 0) connection->length += (size_t)got;
        if (got <= 0 || !work_off(connection)) {
            hang_up(connection);
            return;
        }
    } while (connection->tls && tls_has_more(connection->tls));
}

static void answer_what_is_due(void) {
    uint64_t now = heap_count ? now_ns() : 0;
    while (heap_count && heap[0].due_ns <= now) {
        struct answer answer = soonest();
        if (answer.generation != answer.connection->generation) continue;
        set_waiting(answer.connection, 0);
        if (!respond(answer.connection, answer.status) || !work_off(answer.connection)) hang_up(answer.connection);
    }
}

static int patience(void) {
    if (heap_count == 0) return -1;
    uint64_t now = now_ns();
    return heap[0].due_ns <= now ? 0 : (int)((heap[0].due_ns - now + 999999) / 1000000);
}

/* Commands. */

static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    fflush(stdout);
}

static void dump(const char *path) {
    FILE *file = fopen(path, "wb");
    size_t written = file ? fwrite(records, sizeof *records, record_count, file) : 0;
    if (file == NULL || fclose(file) != 0 || written != record_count) die(path);
    fflush(capture);
    say("{\"dumped\": %zu}\n", record_count);
}

static void tell(void) {
    uint64_t first = record_count ? records[0].first_ns : 0, last = record_count ? records[record_count - 1].first_ns : 0;
    say("{\"requests\": %zu, \"distinct\": %lu, \"repeated\": %lu, \"refused\": %lu, \"bad\": %lu, \"connections\": %lu, "
        "\"open\": %lu, \"waiting\": %lu, \"most_waiting\": %lu, \"first_ns\": %lu, \"last_ns\": %lu}\n",
        record_count, distinct, repeated, refused, bad, connections, open_connections, waiting, most_waiting, first,
        last);
}

static void obey(char *command) {
    if (strcmp(command, "stats") == 0) tell();
    else if (strncmp(command, "dump ", 5) == 0) dump(command + 5);
    else if (strncmp(command, "pace ", 5) == 0) pace_ms = strtoll(command + 5, NULL, 10), say("{}\n");
    else if (strcmp(command, "reset") == 0) forget(), say("{}\n");
    else say("{\"error\": \"no such command\"}\n");
}

static void listen_to_commands(void) {
    static char text[4096];
    static size_t length;
    ssize_t got = read(STDIN_FILENO, text + length, sizeof text - 1 - length);
    if (got <= 0) exit(0);
    length += (size_t)got;
    text[length] = 0;
    char *line = text, *end;
    while ((end = strchr(line, '\n')) != NULL) {
        *end = 0;
        obey(line);
        line = end + 1;
    }
    length = strlen(line);
    memmove(text, line, length + 1);
}

static int open_listener(uint32_t host, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A port that is free on all addresses; what the kernel gives for the first may be taken on another. */
static uint16_t open_listeners(int *fds, int count) {
    for (int attempt = 0; attempt < 100; attempt++) {
        struct sockaddr_in bound;
        socklen_t size = sizeof bound;
        fds[0] = open_listener(INADDR_LOOPBACK, 0);
        if (fds[0] < 0 || getsockname(fds[0], (struct sockaddr *)&bound, &size) < 0) die("listen");
        int opened = 1;
        while (opened < count) {
            fds[opened] = open_listener(INADDR_LOOPBACK + (uint32_t)opened, ntohs(bound.sin_port));
            if (fds[opened] < 0) break;
            opened++;
        }
        if (opened == count) return ntohs(bound.sin_port);
        while (opened > 0) close(fds[--opened]);
    }
    die("no port is free on all addresses");
    return 0;
}

static void start(int addresses) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int *fds = grown(NULL, sizeof *fds * (size_t)addresses);
    uint16_t port = open_listeners(fds, addresses);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int index = 0; index < addresses; index++) {
        struct connection *listener = new_connection(fds[index]);
        listener->listens = 1;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[index], &event) < 0) die("epoll_ctl");
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0) die("stdin has to be a pipe");
    free(fds);
    say("ready %d\n", port);
}

int main(int count, char **arguments) {
    if (count != 4 && count != 5) {
        fprintf(stderr, "usage: sink ADDRESSES CAPTURE_FILE CAPTURE_EVERY [CERTIFICATE]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);  /* a terminal's Ctrl-C is for whoever measures */
    capture = fopen(arguments[2], "wb");
    if (capture == NULL) die(arguments[2]);
    capture_every = strtoull(arguments[3], NULL, 10);
    if (count == 5) tls_load(arguments[4]), speaks_tls = 1;
    start(atoi(arguments[1]));
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll_fd, events, EVENTS, patience());
        if (ready < 0 && errno != EINTR) die("epoll_wait");
        for (int index = 0; index < ready; index++) {
            struct connection *connection = events[index].data.ptr;
            if (connection == NULL) listen_to_commands();
            else if (connection->listens) welcome(connection);
            else serve(connection);
        }
        answer_what_is_due();
    }
}
