sub handle {
