# frozen_string_literal: true

require 'stringio'
require_relative 'http'

module Fn
  # A Rack application as a handler:
  #
  #   require 'fn/rack'
  #   APP = Fn::Rack.new(app)                  # or Fn::Rack.file('config.ru'), which takes the gem rack
  #   def handle(event:, context:) = APP.call(event, context)
  #
  # Its answer is sent whole; as a stream with stream: true, which wants the URL's invoke mode RESPONSE_STREAM.
  class Rack
    def self.file(path, **options)
      require 'rack'
      app, = ::Rack::Builder.parse_file(File.expand_path(path, ENV.fetch('LAMBDA_TASK_ROOT', '/var/task')))
      new(app, **options)
    end

    def initialize(app, stream: ENV['AWS_LWA_INVOKE_MODE'] == 'RESPONSE_STREAM')
      @app = app
      @stream = stream
    end

    def call(event, context)
      http = Http.new(event)
      environment = env(http, event, context)
      return ->(respond) { send_to(respond, http, @app.call(environment)) } if @stream

      status, headers, body = @app.call(environment)
      bytes = ''.b
      each(body) { |part| bytes << part.b }
      http.answer(status.to_i, pairs(headers), bytes)
    end

    private

    def env(http, event, context)
      http.env.merge(
        'rack.version' => [1, 6], 'rack.url_scheme' => http.scheme, 'rack.input' => StringIO.new(http.body || ''.b),
        'rack.errors' => $stderr, 'rack.multithread' => false, 'rack.multiprocess' => false, 'rack.run_once' => false,
        'rack.hijack?' => false, 'fn.event' => event, 'fn.context' => context
      )
    end

    def send_to(respond, http, answer)
      status, headers, body = answer
      out = respond.call(nil, http.prelude(status.to_i, pairs(headers)))
      body.respond_to?(:each) ? each(body) { |part| out.write(part) } : body.call(out)
      out.close
    end

    def each(body, &block)
      if body.respond_to?(:each) then body.each(&block)
      else
        parts = StringIO.new(''.b)
        body.call(parts) # a streaming body of Rack 3
        yield parts.string
      end
    ensure
      body.close if body.respond_to?(:close)
    end

    # A header has one value, a list of them (Rack 3), or several on lines of their own (Rack 2).
    def pairs(headers)
      headers.flat_map { |name, value| (value.is_a?(Array) ? value : value.to_s.split("\n")).map { |one| [name, one] } }
    end
  end
end
