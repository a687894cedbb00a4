def handle(
