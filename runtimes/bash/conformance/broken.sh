handle() {
  if true; then
}
