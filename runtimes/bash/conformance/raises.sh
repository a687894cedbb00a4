echo "cannot start" >&2
exit 1
