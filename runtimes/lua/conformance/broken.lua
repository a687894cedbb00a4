function handle(
