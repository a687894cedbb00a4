# frozen_string_literal: true

module Fn
  # What a handler may ask about the invocation it is in. Names as in AWS's own ruby runtime.
  class Context
    # headers: of the answer to GET next, names in lower case.
    def initialize(headers)
      @headers = headers
    end

    def aws_request_id = @headers['lambda-runtime-aws-request-id']
    def invoked_function_arn = @headers['lambda-runtime-invoked-function-arn']
    def tenant_id = @headers['lambda-runtime-aws-tenant-id']
    def deadline_ms = @headers['lambda-runtime-deadline-ms'].to_i
    def function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
    def function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
    def memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']&.to_i
    def log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
    def log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']

    # Decoded JSON: what the caller sent along, and who it is (Amazon Cognito). nil where there is none.
    def client_context = decoded('lambda-runtime-client-context')
    def identity = decoded('lambda-runtime-cognito-identity')

    # Milliseconds until Lambda kills this invocation; never below 0.
    def get_remaining_time_in_millis
      [deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond), 0].max
    end

    private

    def decoded(header)
      text = @headers[header]
      text.nil? || text.empty? ? nil : JSON.parse(text)
    end
  end
end
