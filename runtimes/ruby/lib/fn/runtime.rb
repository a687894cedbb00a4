# frozen_string_literal: true

require 'json'
require_relative 'api'
require_relative 'context'

module Fn
  # An error that this runtime finds: its type, and a text.
  class Fault < StandardError
    attr_reader :type

    def initialize(type, text)
      super(text)
      @type = type
    end
  end

  # The loop; see loop.rb.
  class Runtime
    ERROR_JSON = 'application/vnd.aws.lambda.error+json'
    NAME = /\A(?<file>.+?)(?:\.(?<owner>[A-Z]\w*(?:::[A-Z]\w*)*))?\.(?<sub>[a-z_]\w*[?!]?)\z/

    def initialize(task)
      @task = task
    end

    def run
      $stdout.sync = $stderr.sync = true
      address = ENV['AWS_LAMBDA_RUNTIME_API']
      if address.nil?
        log('AWS_LAMBDA_RUNTIME_API is not set: this program is started by Lambda, or by fn run')
        exit 1
      end
      @api = Api.new(address)
      handler = start(ENV.fetch('_HANDLER', ''))
      loop { serve(handler) }
    rescue SystemCallError, IOError => e
      log("Runtime API: #{e.message}")
      exit 1
    end

    private

    def start(name)
      find(name)
    rescue SystemExit, SignalException
      raise
    rescue Exception => e # rubocop:disable Lint/RescueException
      report('init/error', e)
      exit 1
    end

    # The callable that a name means: "lib/foo.handle" is the method `handle` after lib/foo.rb was loaded,
    # "foo.My::App.call" the method `call` of My::App.
    def find(name)
      match = NAME.match(name)
      raise Fault.new('Runtime.MalformedHandlerName', "Bad handler '#{name}': want FILE.METHOD, as in handler.handle") unless match

      path = File.expand_path("#{match[:file]}.rb", @task)
      unless File.readable?(path)
        raise Fault.new('Runtime.ImportModuleError', "Unable to load '#{match[:file]}.rb': no such readable file in #{@task}")
      end

      load_file(path)
      owner = match[:owner] ? Object.const_get(match[:owner]) : TOPLEVEL_BINDING.receiver
      unless owner.respond_to?(match[:sub], true)
        raise Fault.new('Runtime.HandlerNotFound', "Handler '#{name}': there is no method #{match[:sub]} after loading #{match[:file]}.rb")
      end
      owner.method(match[:sub])
    end

    def load_file(path)
      require path
    rescue SyntaxError => e
      raise Fault.new('Runtime.UserCodeSyntaxError', e.message)
    rescue LoadError => e
      raise Fault.new('Runtime.ImportModuleError', e.message)
    end

    def serve(handler)
      answer = @api.request('GET', 'invocation/next')
      raise IOError, "next answered #{answer.status}: #{answer.body}" unless answer.status == 200

      context = Context.new(answer.headers)
      path = "invocation/#{context.aws_request_id}"
      ENV['_X_AMZN_TRACE_ID'] = answer.headers['lambda-runtime-trace-id']
      result, failure = attempt { encoded(call(handler, decoded(answer.body), context)) }
      failure = stream("#{path}/response", result) if result.is_a?(Proc)
      if failure then report("#{path}/error", failure)
      elsif result.is_a?(String) then post("#{path}/response", result, 'Content-Type' => 'application/json')
      end
    end

    # [what the block gives, nil], or [nil, what it raised]. Leaving by exit or a signal is no error of the handler's.
    def attempt
      [yield, nil]
    rescue SystemExit, SignalException
      raise
    rescue Exception => e # rubocop:disable Lint/RescueException
      [nil, e]
    end

    # With keywords, as AWS's ruby has it, or with two arguments, or one.
    def call(handler, event, context)
      kinds = handler.parameters.map(&:first)
      return handler.call(event: event, context: context) if (kinds & %i[key keyreq keyrest]).any?

      kinds.include?(:rest) || kinds.length > 1 ? handler.call(event, context) : handler.call(event)
    end

    def decoded(body)
      JSON.parse(body.force_encoding(Encoding::UTF_8))
    rescue JSON::ParserError => e
      raise Fault.new('Runtime.UnmarshalError', e.message)
    end

    def encoded(result)
      result.is_a?(Proc) ? result : JSON.generate(result)
    rescue StandardError => e
      raise Fault.new('Runtime.MarshalError', e.message)
    end

    # Let the handler's Proc stream its answer. What it raised before anything was sent is returned.
    def stream(path, block)
      require_relative 'stream'
      stream = Stream.new(@api, path)
      _, error = attempt { block.call(stream) }
      unless stream.begun
        return error || Fault.new('Runtime.MarshalError', 'the result is a Proc that asked for no stream, which JSON cannot represent')
      end

      log("#{type_of(error)}: #{error.message}") if error
      answer = error ? stream.finish(header_of(error), JSON.generate(described(error))) : stream.finish
      log("Runtime API refused #{path} with #{answer.status}: #{answer.body}") if answer.status >= 300
      nil
    end

    def described(error)
      here = File.dirname(__dir__, 2)
      trace = (error.backtrace || []).take_while { |line| !line.start_with?(here) }
      { errorMessage: utf8(error.message), errorType: type_of(error), stackTrace: error.is_a?(Fault) ? [] : trace.map { |line| utf8(line) } }
    end

    def utf8(text)
      text.dup.force_encoding(Encoding::UTF_8).scrub
    end

    def type_of(error) = error.is_a?(Fault) ? error.type : error.class.name.to_s

    # Lambda takes (Runtime|Function)\.[A-Z][A-Za-z]+ and calls anything else Runtime.Unknown.
    def header_of(error)
      return error.type if error.is_a?(Fault)

      letters = type_of(error).gsub(/[^A-Za-z]/, '')
      "Function.#{letters.length > 1 ? letters[0].upcase + letters[1..] : 'Error'}"
    end

    def report(path, error)
      log("#{type_of(error)}: #{utf8(error.message)}")
      post(path, JSON.generate(described(error)), 'Content-Type' => ERROR_JSON, 'Lambda-Runtime-Function-Error-Type' => header_of(error))
    end

    # A refusal is logged and no more: with 413 the platform has already answered for us.
    def post(path, body, headers)
      answer = @api.request('POST', path, body, headers)
      log("Runtime API refused #{path} with #{answer.status}: #{answer.body}") if answer.status >= 300
    end

    # One line, whatever the message: a line is one event in the log.
    def log(message)
      warn("[ERROR] #{message.strip.gsub(/\s*\n\s*/, ' | ')}")
    end
  end
end
