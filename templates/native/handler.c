#include "lambda.h"

/* The event is JSON, and so is the answer. For another status or other headers of a function URL answer with
 * {"statusCode": 404, "headers": {"content-type": "text/plain"}, "body": "not here"}; fn_error("why") is an error. */
static fn_answer handle(const char *event, size_t size, fn_context *context) {
    (void)size, (void)context;
    /* From the function URL (…?name=you) or from a plain event ({"name": "you"}). */
    char *name = fn_member(event, "name");
    printf("hello to %s\n", name ? name : "world");
    fn_answer answer = fn_printf("{\"message\": \"Hello, %s\", \"function\": \"%s\", \"version\": \"%s\"}",
                                 name ? name : "world", getenv("AWS_LAMBDA_FUNCTION_NAME"),
                                 getenv("AWS_LAMBDA_FUNCTION_VERSION"));
    free(name);
    return answer;
}

int main(void) {
    /* Runs once per execution environment: open connections up here. */
    return fn_run(handle);
}
