/* What fn runtime test asks of a program: framework/fnroll/conformance/cases.py has the table. The events are written as
 * Python writes JSON, so that no parser is needed: {"do": "echo", "value": ...}
 *
 *     cc -static -I templates/native -o DIR/bootstrap runtimes/native/conformance/handler.c && fn runtime test DIR */
#include "lambda.h"

static const char *rest;
static size_t left;

/* Whether the event says so; `rest` is then its other member's value. */
static int does(const char *event, size_t size, const char *verb) {
    char start[64];
    int length = snprintf(start, sizeof start, "{\"do\": \"%s\"", verb);
    if (strncmp(event, start, (size_t)length) != 0) return 0;
    rest = strstr(event + length, "\": ");
    rest = rest ? rest + 3 : event + size - 1;
    left = (size_t)(event + size - 1 - rest);
    return 1;
}

static fn_answer large(size_t size) {
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[0] = text[size - 1] = '"';
    return fn_bytes(text, size);
}

static fn_answer about(fn_context *context) {
    const char *trace = getenv("_X_AMZN_TRACE_ID");
    char *quoted = trace ? fn_quoted(trace) : strdup("null");
    fn_answer answer = fn_printf(
        "{\"request_id\": \"%s\", \"arn\": \"%s\", \"remaining\": %lld, \"trace\": %s, \"function\": \"%s\", "
        "\"version\": \"%s\", \"memory\": %s}",
        context->request_id, context->arn, fn_remaining_ms(context), quoted, getenv("AWS_LAMBDA_FUNCTION_NAME"),
        getenv("AWS_LAMBDA_FUNCTION_VERSION"), getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
    free(quoted);
    return answer;
}

static fn_answer parts(fn_context *context) {
    fn_stream(context, "text/plain", NULL);
    for (const char *at = strchr(rest, '"'); at != NULL; at = strchr(at, '"')) {
        const char *end = strchr(++at, '"');
        fn_write(at, (size_t)(end - at));
        at = end + 1;
    }
    return fn_text("");
}

static fn_answer handle(const char *event, size_t size, fn_context *context) {
    if (does(event, size, "echo")) return fn_bytes(strndup(rest, left), left);
    if (does(event, size, "error")) {
        char *text = strndup(rest + 1, left - 2);
        fn_answer answer = fn_error(text);
        free(text);
        return answer;
    }
    if (does(event, size, "exit")) exit(atoi(rest));
    if (does(event, size, "large")) return large((size_t)atol(rest));
    if (does(event, size, "measure")) return fn_printf("%zu", left - 2);
    if (does(event, size, "print")) return printf("%.*s", (int)left - 2, rest + 1), fn_text("null");
    if (does(event, size, "process")) return fn_printf("%d", (int)getpid());
    if (does(event, size, "context")) return about(context);
    if (does(event, size, "stream")) return parts(context);
    if (does(event, size, "break")) {
        fn_stream(context, "text/plain", NULL);
        fn_write(rest + 1, left - 2);
        return fn_error("broke off");
    }
    return fn_bytes(strndup(event, size), size);
}

int main(void) { return fn_run(handle); }
