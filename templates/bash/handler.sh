# Sourced once per execution environment: what is set up here is there for every event.

# The event is $1, and on standard input; what is printed to standard output is the answer, standard error is the log.
# A status other than 0 makes it an error, with what was printed as its message.
handle() {
    local name=world
    # From the function URL (…?name=you) or from a plain event ({"name": "you"}). With jq in a layer:
    # name=$(jq -r '.queryStringParameters.name // .name // "world"')
    if [[ $1 =~ \"name\":[[:space:]]*\"([^\"]*)\" ]]; then
        name=${BASH_REMATCH[1]}
    fi
    echo "hello to $name, for $FN_REQUEST_ID" >&2

    # Becomes the answer as it is; a function URL sends it with status 200. For another status print
    # {"statusCode": 404, "headers": {"content-type": "text/plain"}, "body": "not here"}.
    printf '{"message": "Hello, %s", "function": "%s", "version": "%s"}\n' \
        "$name" "$AWS_LAMBDA_FUNCTION_NAME" "$AWS_LAMBDA_FUNCTION_VERSION"
}
