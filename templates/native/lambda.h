/* The loop of a custom runtime in C: event in, answer out, for ever. One header, libc alone.
 *
 *     #include "lambda.h"
 *     static fn_answer handle(const char *event, size_t size, fn_context *context) { return fn_text("\"hello\""); }
 *     int main(void) { return fn_run(handle); }
 *
 * One kept-alive connection without Nagle's delay, head and body in one write, no time limit on the next event: the
 * process is frozen while it waits. An answer that Lambda refuses (413: too large) is a line in the log and no more.
 */
#ifndef FN_LAMBDA_H
#define FN_LAMBDA_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FN_PREFIX "/2018-06-01/runtime/"

/* What a handler may ask about its invocation. Empty strings where there is nothing. */
typedef struct {
    char request_id[256], arn[512], trace_id[512], tenant_id[512], client_context[4096], identity[1024];
    long long deadline_ms;
    int streams; /* fn_stream was called */
} fn_context;

/* `data` is freed after it was sent. `error`: the message of an error, instead of data; freed likewise. */
typedef struct {
    char *data;
    size_t size;
    char *error;
} fn_answer;

typedef fn_answer (*fn_handler)(const char *event, size_t size, fn_context *context);

static struct {
    int fd;
    char host[256], *buffer;
    size_t begin, end, room;
    struct sockaddr_in address;
} fn_api = {.fd = -1};

/* ---- answers ---- */

static inline fn_answer fn_bytes(char *data, size_t size) { return (fn_answer){data, size, NULL}; }

static inline fn_answer fn_text(const char *text) { return fn_bytes(strdup(text), strlen(text)); }

static inline fn_answer fn_printf(const char *format, ...) {
    char *text = NULL;
    va_list values;
    va_start(values, format);
    int size = vasprintf(&text, format, values);
    va_end(values);
    return size < 0 ? fn_text("null") : fn_bytes(text, (size_t)size);
}

static inline fn_answer fn_error(const char *message) { return (fn_answer){NULL, 0, strdup(message)}; }

static inline long long fn_remaining_ms(const fn_context *context) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    long long left = context->deadline_ms - (now.tv_sec * 1000LL + now.tv_nsec / 1000000);
    return left > 0 ? left : 0;
}

/* Text as a JSON string, quotes and all. To be freed. */
static inline char *fn_quoted(const char *text) {
    char *made = malloc(strlen(text) * 6 + 3), *at = made;
    *at++ = '"';
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') *at++ = '\\', *at++ = (char)byte;
        else if (byte < 0x20) at += sprintf(at, "\\u%04x", byte);
        else *at++ = (char)byte;
    }
    strcpy(at, "\"");
    return made;
}

/* The string that follows the first "name": in the event, as it stands there (escapes are not undone); NULL if there is
 * none. To be freed. No more than a convenience: a JSON library is a file or two away. */
static inline char *fn_member(const char *event, const char *name) {
    char *key = fn_quoted(name);
    const char *at = strstr(event, key);
    size_t skip = strlen(key);
    free(key);
    if (at == NULL) return NULL;
    at += skip;
    at += strspn(at, " \t\r\n");
    if (*at++ != ':') return NULL;
    at += strspn(at, " \t\r\n");
    if (*at++ != '"') return NULL;
    const char *end = at;
    while (*end && *end != '"') end += *end == '\\' && end[1] ? 2 : 1;
    return strndup(at, (size_t)(end - at));
}

/* ---- the connection ---- */

static void fn_log(const char *format, ...) {
    va_list values;
    va_start(values, format);
    fputs("[ERROR] ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
}

static void fn_close(void) {
    if (fn_api.fd >= 0) close(fn_api.fd);
    fn_api.fd = -1;
    fn_api.begin = fn_api.end = 0;
}

static int fn_open(void) {
    if (fn_api.fd >= 0) return 0;
    int on = 1;
    fn_api.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fn_api.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fn_api.fd, (struct sockaddr *)&fn_api.address, sizeof fn_api.address) == 0) return 0;
    fn_close();
    return -1;
}

static int fn_send(struct iovec *parts, int count) {
    if (fn_open() < 0) return -1;
    while (count > 0) {
        ssize_t sent = writev(fn_api.fd, parts, count);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return -1;
        while (count > 0 && (size_t)sent >= parts->iov_len) sent -= (ssize_t)parts->iov_len, parts++, count--;
        if (count > 0) parts->iov_base = (char *)parts->iov_base + sent, parts->iov_len -= (size_t)sent;
    }
    return 0;
}

/* At least one byte more. */
static int fn_fill(size_t wanted) {
    if (fn_api.begin > 0) {
        memmove(fn_api.buffer, fn_api.buffer + fn_api.begin, fn_api.end - fn_api.begin);
        fn_api.end -= fn_api.begin, fn_api.begin = 0;
    }
    if (fn_api.room < fn_api.end + wanted + 1) {
        fn_api.room = (fn_api.end + wanted) * 2 + 65536;
        fn_api.buffer = realloc(fn_api.buffer, fn_api.room);
    }
    ssize_t got;
    do got = read(fn_api.fd, fn_api.buffer + fn_api.end, fn_api.room - fn_api.end - 1);
    while (got < 0 && errno == EINTR);
    if (got <= 0) return -1;
    fn_api.end += (size_t)got;
    return 0;
}

/* The next line, without its end, valid until the next call; NULL where the connection ends. */
static char *fn_line(void) {
    char *found;
    while ((found = memchr(fn_api.buffer + fn_api.begin, '\n', fn_api.end - fn_api.begin)) == NULL)
        if (fn_fill(4096) < 0) return NULL;
    char *line = fn_api.buffer + fn_api.begin;
    fn_api.begin = (size_t)(found + 1 - fn_api.buffer);
    if (found > line && found[-1] == '\r') found--;
    *found = 0;
    return line;
}

/* Append so many bytes to *body. */
static int fn_take(char **body, size_t *size, size_t count) {
    *body = realloc(*body, *size + count + 1);
    while (fn_api.end - fn_api.begin < count)
        if (fn_fill(count) < 0) return -1;
    memcpy(*body + *size, fn_api.buffer + fn_api.begin, count);
    fn_api.begin += count;
    (*body)[*size += count] = 0;
    return 0;
}

static void fn_header(fn_context *context, const char *name, const char *value) {
    struct { const char *name; char *to; size_t room; } kept[] = {
        {"Lambda-Runtime-Aws-Request-Id", context->request_id, sizeof context->request_id},
        {"Lambda-Runtime-Invoked-Function-Arn", context->arn, sizeof context->arn},
        {"Lambda-Runtime-Trace-Id", context->trace_id, sizeof context->trace_id},
        {"Lambda-Runtime-Aws-Tenant-Id", context->tenant_id, sizeof context->tenant_id},
        {"Lambda-Runtime-Client-Context", context->client_context, sizeof context->client_context},
        {"Lambda-Runtime-Cognito-Identity", context->identity, sizeof context->identity},
    };
    for (size_t number = 0; number < sizeof kept / sizeof *kept; number++)
        if (strcasecmp(name, kept[number].name) == 0) snprintf(kept[number].to, kept[number].room, "%s", value);
    if (strcasecmp(name, "Lambda-Runtime-Deadline-Ms") == 0) context->deadline_ms = atoll(value);
}

/* The status of an answer; -1 where the connection ended first. *body is to be freed. */
static int fn_receive(char **body, size_t *size, fn_context *context) {
    int status = 0, chunked = 0, closes = 0;
    long long length = 0;
    char *line;
    *body = calloc(1, 1), *size = 0;
    do {
        if ((line = fn_line()) == NULL || strncmp(line, "HTTP/1.", 7) != 0) return -1;
        status = atoi(line + 9);
        while ((line = fn_line()) != NULL && *line) {
            char *value = strchr(line, ':');
            if (value == NULL) continue;
            *value++ = 0;
            value += strspn(value, " \t");
            if (strcasecmp(line, "Content-Length") == 0) length = atoll(value);
            if (strcasecmp(line, "Transfer-Encoding") == 0) chunked = strcasestr(value, "chunked") != NULL;
            if (strcasecmp(line, "Connection") == 0) closes = strcasestr(value, "close") != NULL;
            fn_header(context, line, value);
        }
    } while (status < 200);
    if (chunked) {
        size_t part;
        while ((line = fn_line()) != NULL && (part = strtoul(line, NULL, 16)) > 0)
            if (fn_take(body, size, part) < 0 || fn_line() == NULL) return -1;
        while ((line = fn_line()) != NULL && *line) continue;
    } else if (length > 0 && fn_take(body, size, (size_t)length) < 0) return -1;
    if (closes) fn_close();
    return status;
}

/* A kept connection may have been closed while nobody looked: then the request is made once more. */
static int fn_request(const char *method, const char *path, const char *headers, const char *data, size_t size,
                      char **said, size_t *said_size, fn_context *context) {
    char *head = NULL;
    int length = asprintf(&head, "%s " FN_PREFIX "%s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %zu\r\n\r\n", method, path,
                          fn_api.host, headers, size);
    int status = -1;
    for (int again = fn_api.fd >= 0; status < 0 && again >= 0; again--) {
        struct iovec parts[2] = {{head, (size_t)length}, {(void *)data, size}};
        if (fn_send(parts, 2) == 0) status = fn_receive(said, said_size, context);
        if (status < 0) fn_close();
    }
    free(head);
    return status;
}

static void fn_post(const char *path, const char *headers, const char *data, size_t size) {
    fn_context ignored;
    char *said = NULL;
    size_t said_size;
    int status = fn_request("POST", path, headers, data, size, &said, &said_size, &ignored);
    if (status < 0) fn_log("Runtime API: the connection was closed"), exit(1);
    if (status >= 300) fn_log("Runtime API refused %s with %d: %s", path, status, said);
    free(said);
}

/* {errorMessage, errorType, stackTrace}. To be freed. */
static char *fn_described(const char *message) {
    char *quoted = fn_quoted(message), *made = NULL;
    if (asprintf(&made, "{\"errorMessage\":%s,\"errorType\":\"Error\",\"stackTrace\":[]}", quoted) < 0) abort();
    free(quoted);
    return made;
}

/* ---- streams ---- */

/* From here on the answer is what fn_write sends, as it comes. `head`: for an answer over HTTP, its JSON object
 * {"statusCode": 200, "headers": {}}; else NULL. */
static inline void fn_stream(fn_context *context, const char *type, const char *head);

static inline void fn_write(const char *data, size_t size) {
    char length[32];
    int digits = snprintf(length, sizeof length, "%zx\r\n", size);
    struct iovec parts[3] = {{length, (size_t)digits}, {(void *)data, size}, {(void *)"\r\n", 2}};
    if (size > 0 && fn_send(parts, 3) < 0) fn_log("Runtime API: the connection was closed"), exit(1);
}

static inline void fn_stream(fn_context *context, const char *type, const char *head) {
    char *text = NULL;
    struct pollfd readable = {fn_api.fd, POLLIN, 0};
    if (fn_api.fd >= 0 && poll(&readable, 1, 0) > 0) fn_close(); /* nothing is due: it was closed */
    int size = asprintf(&text,
                        "POST " FN_PREFIX "invocation/%s/response HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n"
                        "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
                        "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n",
                        context->request_id, fn_api.host,
                        head ? "application/vnd.awslambda.http-integration-response" : type);
    struct iovec part = {text, (size_t)size};
    if (fn_send(&part, 1) < 0) fn_log("Runtime API: the connection was closed"), exit(1);
    free(text);
    context->streams = 1;
    if (head) fn_write(head, strlen(head)), fn_write("\0\0\0\0\0\0\0\0", 8);
}

static char *fn_base64(const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = strlen(text);
    char *made = malloc(size * 4 / 3 + 5), *at = made;
    for (size_t begin = 0; begin < size; begin += 3) {
        unsigned char three[3] = {0};
        size_t count = size - begin < 3 ? size - begin : 3;
        memcpy(three, text + begin, count);
        unsigned number = (unsigned)three[0] << 16 | (unsigned)three[1] << 8 | three[2];
        for (size_t place = 0; place < 4; place++)
            *at++ = place <= count ? letters[number >> (18 - 6 * place) & 63] : '=';
    }
    *at = 0;
    return made;
}

static void fn_end_stream(const char *error) {
    char *text = NULL, *said;
    size_t size;
    fn_context ignored;
    if (error) {
        char *described = fn_described(error), *encoded = fn_base64(described);
        if (asprintf(&text, "0\r\nLambda-Runtime-Function-Error-Type: Function.Error\r\n"
                            "Lambda-Runtime-Function-Error-Body: %s\r\n\r\n", encoded) < 0) abort();
        free(described), free(encoded);
    } else text = strdup("0\r\n\r\n");
    struct iovec part = {text, strlen(text)};
    int status = fn_send(&part, 1) < 0 ? -1 : fn_receive(&said, &size, &ignored);
    if (status < 0) fn_log("Runtime API: the connection was closed"), exit(1);
    if (status >= 300) fn_log("Runtime API refused the stream with %d: %s", status, said);
    free(text), free(said);
}

/* ---- the loop ---- */

static void fn_one(fn_handler handle) {
    fn_context context = {0};
    char *event = NULL, path[512];
    size_t size;
    int status = fn_request("GET", "invocation/next", "", NULL, 0, &event, &size, &context);
    if (status != 200) fn_log("Runtime API: next was answered with %d", status), exit(1);
    if (*context.trace_id) setenv("_X_AMZN_TRACE_ID", context.trace_id, 1);
    else unsetenv("_X_AMZN_TRACE_ID");
    fn_answer answer = handle(event, size, &context);
    fflush(stdout);
    if (answer.error) fn_log("Error: %s", answer.error);
    if (context.streams) fn_end_stream(answer.error);
    else if (answer.error) {
        char *described = fn_described(answer.error);
        snprintf(path, sizeof path, "invocation/%s/error", context.request_id);
        fn_post(path, "Content-Type: application/vnd.aws.lambda.error+json\r\n"
                      "Lambda-Runtime-Function-Error-Type: Function.Error\r\n", described, strlen(described));
        free(described);
    } else {
        snprintf(path, sizeof path, "invocation/%s/response", context.request_id);
        fn_post(path, "Content-Type: application/json\r\n", answer.data, answer.size);
    }
    free(answer.data), free(answer.error), free(event);
}

/* Serve events for ever; returns where it cannot be begun. */
static inline int fn_run(fn_handler handle) {
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API"), *colon = api ? strrchr(api, ':') : NULL;
    if (colon == NULL) return fn_log("AWS_LAMBDA_RUNTIME_API is not set: this program is started by Lambda"), 1;
    char host[64];
    snprintf(host, sizeof host, "%.*s", (int)(colon - api), api);
    snprintf(fn_api.host, sizeof fn_api.host, "%s", api);
    fn_api.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(colon + 1))};
    if (inet_pton(AF_INET, host, &fn_api.address.sin_addr) != 1) return fn_log("no address: %s", api), 1;
    fn_api.buffer = malloc(fn_api.room = 65536);
    signal(SIGPIPE, SIG_IGN);
    while (1) fn_one(handle);
}

#endif
