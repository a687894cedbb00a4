# What fn runtime test asks of a runtime's handler: framework/fnroll/conformance/cases.py has the table. The events are
# written as Python writes JSON, so that no parser is needed: {"do": "echo", "value": ...}

handle() {
    local LC_ALL=C do rest
    if [[ $1 != '{"do": "'* ]]; then
        printf '%s' "$1"
        return
    fi
    do=${1:8:20} do=${do%%\"*} rest=${1%\}}
    rest=${rest#'{"do": "'"$do"'"'} rest=${rest#, \"*\": }
    case $do in
        echo) printf '%s' "$rest" ;;
        error) rest=${rest#\"}; printf '%s' "${rest%\"}"; return 1 ;;
        large) printf '"%*s"' $((rest - 2)) '' | tr ' ' x ;;
        measure) printf '%d' $((${#rest} - 2)) ;;
        print) rest=${rest#\"}; printf '%s' "${rest%\"}" >&2 ;;
        process) printf '%d' $$ ;;
        context) about ;;
        stream) fn_stream text/plain; parts "$rest" ;;
        break) rest=${rest#\"}; fn_stream text/plain; fn_write "${rest%\"}"; printf 'broke off'; return 1 ;;
    esac
}

about() {
    local trace=null
    if [[ ${_X_AMZN_TRACE_ID-} ]]; then trace=\"$_X_AMZN_TRACE_ID\"; fi
    printf '{"request_id":"%s","arn":"%s","remaining":%d,"trace":%s,"function":"%s","version":"%s","memory":%d}' \
        "$FN_REQUEST_ID" "$FN_INVOKED_FUNCTION_ARN" "$(fn_remaining)" "$trace" "$AWS_LAMBDA_FUNCTION_NAME" \
        "$AWS_LAMBDA_FUNCTION_VERSION" "$AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
}

parts() {
    local rest=${1#[}
    while [[ $rest == \"* ]]; do
        rest=${rest#\"}
        fn_write "${rest%%\"*}"
        rest=${rest#*\"} rest=${rest#, }
    done
}
