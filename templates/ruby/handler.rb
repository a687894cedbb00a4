# frozen_string_literal: true

# Runs once per execution environment: require files and open connections up here.

def handle(event:, context:)
  # From the function URL (…?name=you) or from a plain event ({"name": "you"}).
  name = event.dig('queryStringParameters', 'name') || event['name'] || 'world'
  puts "hello to #{name}"

  # Becomes the JSON answer; a function URL sends it with status 200. For another status or other headers return
  # { statusCode: 404, headers: { 'content-type' => 'text/plain' }, body: 'not here' }.
  { message: "Hello, #{name}", function: context.function_name, version: context.function_version }
end
