/* The vocabulary of the scenario table (../vocabulary.py lists it) as a native runtime: a loop over the Runtime API and
 * the verbs, with nothing but libc. One connection a request; the platform closes it after its answer. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUNTIME "/2018-06-01/runtime/"

typedef struct {
    char *data; /* always followed by a NUL */
    size_t size;
} Text;

typedef enum { NOTHING, ANSWER, FAILURE } Kind;

static struct {
    Text event, head, notes, answer;
    Kind kind;
    int silent; /* no answer: the steps gave one themselves, or want none */
    char id[64];
} now;

static volatile long slowest; /* milliseconds that the thread did not run at a time */
static int count;

static void add(Text *to, const char *data, size_t size) {
    to->data = realloc(to->data, to->size + size + 1);
    if (!to->data) abort();
    memcpy(to->data + to->size, data, size);
    to->size += size;
    to->data[to->size] = 0;
}

static void put(Text *to, const char *string) { add(to, string, strlen(string)); }

static void drop(Text *what) {
    free(what->data);
    *what = (Text){0};
}

/* HTTP */

static Text ask(Text request) {
    char address[64] = "", *port;
    snprintf(address, sizeof address, "%s", getenv("AWS_LAMBDA_RUNTIME_API"));
    port = strchr(address, ':');
    *port++ = 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    inet_pton(AF_INET, address, &to.sin_addr);
    int link = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(link, (struct sockaddr *)&to, sizeof to)) exit(90);
    for (size_t sent = 0; sent < request.size;) {
        ssize_t wrote = send(link, request.data + sent, request.size - sent, MSG_NOSIGNAL);
        if (wrote < 0) break;
        sent += wrote;
    }
    Text got = {0};
    char piece[65536];
    for (ssize_t size; (size = read(link, piece, sizeof piece)) > 0;) add(&got, piece, size);
    close(link);
    if (!got.size) exit(91);
    return got;
}

static const char *body_of(Text got) { return strstr(got.data, "\r\n\r\n") + 4; }

static void post(const char *path, const char *header, Text body) {
    Text request = {0};
    char length[64];
    snprintf(length, sizeof length, "Content-Length: %zu\r\n", body.size);
    put(&request, "POST " RUNTIME);
    put(&request, path);
    put(&request, " HTTP/1.1\r\nHost: api\r\nConnection: close\r\n");
    put(&request, header);
    put(&request, length);
    put(&request, "\r\n");
    add(&request, body.data ? body.data : "", body.size);
    Text got = ask(request);
    drop(&request);
    drop(&got);
}

/* The value of a header of the event, or "". */
static const char *header(const char *name) {
    static char value[4096];
    const char *at = strcasestr(now.head.data, name);
    value[0] = 0;
    if (at) sscanf(at + strlen(name), ": %4095[^\r]", value);
    return value;
}

/* JSON */

static void quote(Text *to, const char *data, size_t size) {
    put(to, "\"");
    for (size_t at = 0; at < size; at++) {
        unsigned char byte = data[at];
        char escape[8];
        if (byte == '"' || byte == '\\') snprintf(escape, sizeof escape, "\\%c", byte);
        else if (byte < 32) snprintf(escape, sizeof escape, "\\u%04x", byte);
        else snprintf(escape, sizeof escape, "%c", byte);
        put(to, escape);
    }
    put(to, "\"");
}

static void utf8(Text *to, unsigned code) {
    char bytes[4];
    int size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int at = size - 1; at > 0; at--, code >>= 6) bytes[at] = 0x80 | (code & 0x3f);
    bytes[0] = size == 1 ? code : (0xff00 >> size) | code;
    add(to, bytes, size);
}

/* The string that begins after the quote at *at; *at is set behind its end. */
static Text string(const char **at) {
    Text text = {0};
    add(&text, "", 0);
    for (const char *end = *at; *end != '"'; *at = end) {
        while (*end != '"' && *end != '\\') end++;
        add(&text, *at, end - *at);
        if (*end == '"') {
            *at = end;
            break;
        }
        unsigned code, low;
        const char *found = strchr("n\nt\tr\rb\bf\f", end[1]);
        if (end[1] != 'u') {
            add(&text, found ? found + 1 : end + 1, 1);
            end += 2;
            continue;
        }
        sscanf(end + 2, "%4x", &code);
        end += 6;
        if (code >= 0xd800 && code < 0xdc00 && sscanf(end, "\\u%4x", &low) == 1) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            end += 6;
        }
        utf8(&text, code);
    }
    ++*at;
    return text;
}

/* Steps */

static Text last; /* of the notes */

static void note(const char *json, size_t size) {
    drop(&last);
    add(&last, json, size);
    put(&now.notes, now.notes.size ? "," : "");
    add(&now.notes, json, size);
}

static void note_text(const char *data, size_t size) {
    Text quoted = {0};
    while (size && isspace((unsigned char)data[size - 1])) size--;
    quote(&quoted, data, size);
    note(quoted.data, quoted.size);
    drop(&quoted);
}

static void note_number(long value) {
    char text[32];
    note(text, snprintf(text, sizeof text, "%ld", value));
}

static void ends(Kind kind, const char *data, size_t size) {
    drop(&now.answer);
    add(&now.answer, data, size);
    now.kind = kind;
}

static void do_large(const char *rest, size_t size) {
    (void)size;
    Text text = {.size = strtoul(rest, NULL, 10)};
    text.data = malloc(text.size + 1);
    memset(text.data, 'x', text.size);
    text.data[0] = text.data[text.size - 1] = '"';
    ends(ANSWER, text.data, text.size);
    drop(&text);
}

static void do_measure(const char *rest, size_t size) {
    char text[32];
    (void)rest;
    ends(ANSWER, text, snprintf(text, sizeof text, "%zu", size));
}

static void do_notes(const char *rest, size_t size) {
    Text list = {0};
    (void)rest, (void)size;
    put(&list, "[");
    put(&list, now.notes.size ? now.notes.data : "");
    put(&list, "]");
    ends(ANSWER, list.data, list.size);
    drop(&list);
}

static void do_raise(const char *rest, size_t size) {
    Text problem = {0};
    put(&problem, "{\"errorType\":\"Native.Error\",\"errorMessage\":");
    quote(&problem, rest, size);
    put(&problem, "}");
    ends(FAILURE, problem.data, problem.size);
    drop(&problem);
}

static void do_bytes(const char *rest, size_t size) {
    for (size_t at = 0; at + 1 < size; at += 2) {
        unsigned byte;
        sscanf(rest + at, "%2x", &byte);
        putchar(byte);
    }
}

static void do_flood(const char *rest, size_t size) {
    char line[1025];
    (void)size;
    memset(line, 'x', 1023);
    strcpy(line + 1023, "\n");
    for (long left = atol(rest); left > 0; left--) fputs(line, stdout);
}

static void do_sleep(const char *rest, size_t size) {
    (void)size;
    long left = atol(rest);
    struct timespec time = {left / 1000, left % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void do_signal(const char *rest, size_t size) {
    (void)size;
    kill(getpid(), atoi(rest));
    sleep(60);
}

static void do_segfault(const char *rest, size_t size) {
    (void)rest, (void)size;
    *(volatile char *)(size_t)(now.kind == NOTHING ? 0 : 1) = 1;
}

static void do_exec(const char *rest, size_t size) {
    (void)size;
    execl(rest, rest, (char *)NULL);
    _exit(127);
}

static void do_ignore(const char *rest, size_t size) {
    (void)size;
    signal(strcmp(rest, "TERM") ? SIGINT : SIGTERM, SIG_IGN);
}

static void do_sh(const char *rest, size_t size) {
    Text said = {0}, command = {0};
    char piece[4096];
    put(&command, "exec 2>&1\n");
    add(&command, rest, size);
    FILE *pipe = popen(command.data, "r");
    if (!pipe) return note_text("cannot start a shell", 20);
    for (size_t got; (got = fread(piece, 1, sizeof piece, pipe)) > 0;) add(&said, piece, got);
    pclose(pipe);
    note_text(said.data ? said.data : "", said.size);
    drop(&said);
    drop(&command);
}

static void do_start(const char *rest, size_t size) {
    (void)size;
    fflush(stdout);
    if (fork()) return;
    setsid();
    execl("/bin/sh", "sh", "-c", rest, (char *)NULL);
    _exit(127);
}

static void do_env(const char *rest, size_t size) {
    const char *value = getenv(rest);
    (void)size;
    value ? note_text(value, strlen(value)) : note("null", 4);
}

static void do_header(const char *rest, size_t size) {
    const char *value = header(rest);
    (void)size;
    *value ? note_text(value, strlen(value)) : note("null", 4);
}

static void do_grow(const char *rest, size_t size) {
    size_t bytes = strtoul(rest, NULL, 10) << 20;
    volatile char *taken = malloc(bytes);
    (void)size;
    for (size_t at = 0; taken && at < bytes; at += 4096) taken[at] = 1;
}

static void *tick(void *unused) {
    struct timespec before, after, pause = {0, 1000000};
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (;; before = after) {
        nanosleep(&pause, NULL);
        clock_gettime(CLOCK_MONOTONIC, &after);
        long gap = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
        if (gap > slowest) slowest = gap;
    }
    return unused;
}

static void do_thread(const char *rest, size_t size) {
    pthread_t thread;
    (void)rest, (void)size;
    pthread_create(&thread, NULL, tick, NULL);
}

static void do_http(const char *rest, size_t size) {
    Text request = {0}, said = {0};
    const char *id = strstr(rest, "{ID}");
    size_t before = id ? (size_t)(id - rest) : size;
    add(&request, rest, before);
    if (id) {
        put(&request, now.id);
        add(&request, id + 4, size - before - 4);
    }
    Text got = ask(request);
    add(&said, got.data + 9, 4);
    put(&said, body_of(got));
    note_text(said.data, said.size);
    drop(&request);
    drop(&got);
    drop(&said);
}

static void do_context(const char *rest, size_t size) {
    static const char *names[][2] = {
        {"request_id", "Lambda-Runtime-Aws-Request-Id"}, {"arn", "Lambda-Runtime-Invoked-Function-Arn"},
        {"trace", "Lambda-Runtime-Trace-Id"}, {"tenant", "Lambda-Runtime-Aws-Tenant-Id"}};
    static const char *objects[][2] = {
        {"client", "Lambda-Runtime-Client-Context"}, {"identity", "Lambda-Runtime-Cognito-Identity"}};
    struct timespec time;
    char left[64];
    Text about = {0};
    (void)rest, (void)size;
    clock_gettime(CLOCK_REALTIME, &time);
    long now_ms = time.tv_sec * 1000 + time.tv_nsec / 1000000;
    snprintf(left, sizeof left, "{\"remaining\":%ld", atol(header("Lambda-Runtime-Deadline-Ms")) - now_ms);
    put(&about, left);
    for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
        const char *value = header(names[at][1]);
        put(&about, ",\"");
        put(&about, names[at][0]);
        put(&about, "\":");
        *value ? quote(&about, value, strlen(value)) : put(&about, "null");
    }
    for (size_t at = 0; at < sizeof objects / sizeof *objects; at++) {
        const char *value = header(objects[at][1]);
        put(&about, ",\"");
        put(&about, objects[at][0]);
        put(&about, "\":");
        put(&about, *value ? value : "null");
    }
    put(&about, "}");
    note(about.data, about.size);
    drop(&about);
}

#define VERB(name, body) \
    static void do_##name(const char *rest, size_t size) { \
        (void)rest, (void)size; \
        body; \
    }
VERB(print, (fwrite(rest, 1, size, stdout), putchar('\n')))
VERB(write, fwrite(rest, 1, size, stdout))
VERB(stderr, fprintf(stderr, "%s\n", rest))
VERB(return, ends(ANSWER, rest, size))
VERB(echo, ends(ANSWER, now.event.data, now.event.size))
VERB(exit, _exit((fflush(stdout), atoi(rest))))
VERB(abort, abort())
VERB(spin, for (;;))
VERB(count, note_number(++count))
VERB(pause, note_number(slowest))
VERB(tell, puts(last.data))
VERB(quit, now.silent = 1)

static const struct {
    const char *name;
    void (*act)(const char *rest, size_t size);
} verbs[] = {
    {"print", do_print}, {"write", do_write}, {"stderr", do_stderr}, {"bytes", do_bytes}, {"flood", do_flood},
    {"return", do_return}, {"echo", do_echo}, {"large", do_large}, {"measure", do_measure}, {"notes", do_notes},
    {"raise", do_raise}, {"exit", do_exit}, {"signal", do_signal}, {"segfault", do_segfault}, {"abort", do_abort},
    {"exec", do_exec}, {"sleep", do_sleep}, {"spin", do_spin}, {"ignore", do_ignore}, {"count", do_count},
    {"sh", do_sh}, {"start", do_start}, {"env", do_env}, {"grow", do_grow}, {"thread", do_thread},
    {"pause", do_pause}, {"http", do_http}, {"context", do_context}, {"header", do_header},
    {"tell", do_tell}, {"quit", do_quit},
};

/* False: the steps that are left are skipped. */
static int perform(Text step) {
    char *rest = strchr(step.data, ' ');
    size_t name = rest ? (size_t)(rest - step.data) : step.size;
    rest = rest ? rest + 1 : step.data + step.size;
    size_t size = step.size - (rest - step.data);
    if (!strncmp(step.data, "once ", 5)) {
        FILE *file = fopen(rest, "wx");
        if (file) fclose(file);
        return file != NULL;
    }
    for (size_t at = 0; at < sizeof verbs / sizeof *verbs; at++) {
        if (strlen(verbs[at].name) == name && !strncmp(verbs[at].name, step.data, name)) {
            verbs[at].act(rest, size);
            fflush(stdout);
            return now.kind != FAILURE;
        }
    }
    fprintf(stderr, "native has no verb '%.*s'\n", (int)name, step.data);
    exit(92);
}

static void perform_all(const char *list) {
    for (int going = 1; going && (list = strpbrk(list, "\"]")) && *list++ == '"';) {
        Text step = string(&list);
        going = perform(step);
        drop(&step);
    }
}

static void serve_one(void) {
    static const char next[] = "GET " RUNTIME "invocation/next HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n";
    Text got = ask((Text){(char *)next, sizeof next - 1});
    const char *body = body_of(got);
    drop(&now.event);
    drop(&now.head);
    drop(&now.notes);
    drop(&now.answer);
    add(&now.head, got.data, body - got.data);
    add(&now.event, body, got.size - (body - got.data));
    drop(&got);
    now.kind = NOTHING;
    now.silent = 0;
    snprintf(now.id, sizeof now.id, "%s", header("Lambda-Runtime-Aws-Request-Id"));
    if (now.event.data[0] == '[') perform_all(now.event.data);
    else do_echo("", 0);
    if (now.silent) return;
    char path[128];
    snprintf(path, sizeof path, "invocation/%s/%s", now.id, now.kind == FAILURE ? "error" : "response");
    if (now.kind == NOTHING) ends(ANSWER, "null", 4);
    post(path, "Content-Type: application/json\r\n", now.answer);
}

int main(void) {
    const char *init = getenv("INIT");
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    if (init) perform_all(init);
    if (now.kind == FAILURE) {
        fwrite(now.answer.data, 1, now.answer.size, stdout);
        puts("");
        fflush(stdout);
        post("init/error", "Lambda-Runtime-Function-Error-Type: Runtime.NativeError\r\n", now.answer);
        return 1;
    }
    for (;;) serve_one();
}
