# frozen_string_literal: true

module Fn
  # An answer that is sent as it comes. A handler that returns a Proc streams: it is called with a responder, which takes a
  # content type, for an answer over HTTP also its head, and gives this writer.
  #
  #   ->(respond) { out = respond.('text/plain'); out.write('one'); out.write('two') }
  class Stream
    HTTP = 'application/vnd.awslambda.http-integration-response'
    TRAILERS = 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body'

    attr_reader :begun

    def initialize(api, path)
      @api = api
      @path = path
      @begun = @closed = false
    end

    # The responder. head: {statusCode:, headers:, cookies:}.
    def call(type = 'application/octet-stream', head = nil)
      raise 'this answer streams already' if @begun

      @begun = true
      @api.begin_stream(@path, 'Content-Type' => head ? HTTP : type,
                               'Lambda-Runtime-Function-Response-Mode' => 'streaming', 'Trailer' => TRAILERS)
      @api.chunk(JSON.generate(head).b << ("\0" * 8)) if head
      self
    end

    def write(text)
      raise 'this stream is closed' if @closed

      @api.chunk(text.to_s)
    end
    alias << write

    def close
      @closed = true
    end

    # For the loop: the Runtime API's answer. An error goes into the trailers.
    def finish(type = nil, error = nil)
      @closed = true
      return @api.finish unless error

      @api.finish('Lambda-Runtime-Function-Error-Type' => type, 'Lambda-Runtime-Function-Error-Body' => [error].pack('m0'))
    end
  end
end
