# frozen_string_literal: true

module Fn
  # HTTP as it comes in events and goes out in answers, in the words of CGI, which are Rack's.
  #
  # Three kinds of events: payload 2.0 (function URLs, HTTP APIs), payload 1.0 (REST APIs), and ALB's, which is 1.0 but for
  # its encoding. Strings of an environment are bytes.
  class Http
    REASONS = {
      200 => 'OK', 201 => 'Created', 202 => 'Accepted', 204 => 'No Content', 301 => 'Moved Permanently', 302 => 'Found',
      303 => 'See Other', 304 => 'Not Modified', 307 => 'Temporary Redirect', 308 => 'Permanent Redirect',
      400 => 'Bad Request', 401 => 'Unauthorized', 403 => 'Forbidden', 404 => 'Not Found', 405 => 'Method Not Allowed',
      409 => 'Conflict', 410 => 'Gone', 413 => 'Content Too Large', 415 => 'Unsupported Media Type',
      422 => 'Unprocessable Content', 429 => 'Too Many Requests', 500 => 'Internal Server Error',
      501 => 'Not Implemented', 502 => 'Bad Gateway', 503 => 'Service Unavailable', 504 => 'Gateway Timeout'
    }.freeze

    # An event of HTTP; raises ArgumentError for one that is none.
    def initialize(event)
      context = event.is_a?(Hash) ? event['requestContext'] : nil
      @kind = kind_of(event, context)
      raise ArgumentError, 'this event is no HTTP request of a function URL, API Gateway or a load balancer' unless @kind

      @event = event
      @context = context
    end

    # The body as bytes; nil where the event has none.
    def body
      text = @event['body']
      return nil if text.nil?

      @event['isBase64Encoded'] ? text.unpack1('m') : text.b
    end

    def scheme = headers['x-forwarded-proto'] || 'https'

    # CGI's variables; every other member of an environment is the adapter's own.
    def env
      http = @kind == :v2 ? @context['http'] : {}
      script, path, raw = paths
      host = headers['host'] || @context['domainName'] || 'localhost'
      port = headers['x-forwarded-port'] || host[/:(\d+)\z/, 1] || (scheme == 'http' ? '80' : '443')
      found = {
        'REQUEST_METHOD' => http['method'] || @event['httpMethod'],
        'SCRIPT_NAME' => script,
        'PATH_INFO' => path,
        'QUERY_STRING' => query,
        'REQUEST_URI' => query.empty? ? raw : "#{raw}?#{query}",
        'SERVER_NAME' => host.sub(/:\d+\z/, ''),
        'SERVER_PORT' => port.to_s,
        'SERVER_PROTOCOL' => http['protocol'] || @context['protocol'] || 'HTTP/1.1',
        'REMOTE_ADDR' => http['sourceIp'] || @context.dig('identity', 'sourceIp') ||
                         (headers['x-forwarded-for'] || '').split(/\s*,\s*/).last || ''
      }
      found.merge!(variables)
      found.transform_values(&:b)
    end

    # What the handler answers with. pairs: names and values, a name as often as it takes; body: bytes.
    def answer(status, pairs, body)
      text = body.dup.force_encoding(Encoding::UTF_8)
      plain = text.valid_encoding?
      result = { 'statusCode' => status, 'isBase64Encoded' => !plain, 'body' => plain ? text : [body].pack('m0') }
      many = pairs.each_with_object({}) { |(name, value), found| (found[name.downcase] ||= []) << value.to_s }
      result['statusDescription'] = "#{status} #{REASONS.fetch(status, 'Unknown')}" if @kind == :alb
      return result.merge(split(many)) if @kind == :v2
      return result.merge('headers' => many.transform_values(&:last)) if @kind == :alb && !@event['multiValueHeaders']

      result.merge('multiValueHeaders' => many)
    end

    # For a streamed answer: its head.
    def prelude(status, pairs)
      many = pairs.each_with_object({}) { |(name, value), found| (found[name.downcase] ||= []) << value.to_s }
      { 'statusCode' => status }.merge(split(many))
    end

    private

    def kind_of(event, context)
      return nil unless context.is_a?(Hash)
      return :v2 if context['http']
      return :alb if context['elb']

      event['httpMethod'] ? :v1 : nil
    end

    # Names in lower case; several values are joined.
    def headers
      @headers ||= if @kind != :v2 && @event['multiValueHeaders']
                     @event['multiValueHeaders'].to_h do |name, values|
                       [name.downcase, values.join(name.downcase == 'cookie' ? '; ' : ',')]
                     end
                   else
                     (@event['headers'] || {}).transform_keys(&:downcase)
                   end
    end

    def variables
      found = headers.to_h do |name, value|
        variable = name.upcase.tr('-', '_')
        [%w[CONTENT_TYPE CONTENT_LENGTH].include?(variable) ? variable : "HTTP_#{variable}", value.to_s]
      end
      cookies = @event['cookies'] if @kind == :v2
      found['HTTP_COOKIE'] = cookies.join('; ') if cookies && !cookies.empty?
      found.delete('CONTENT_LENGTH')
      found.delete('HTTP_PROXY') # a header named Proxy must not become a setting (httpoxy)
      found['CONTENT_LENGTH'] = body.bytesize.to_s unless body.nil?
      found
    end

    # SCRIPT_NAME, PATH_INFO, and the path as it was asked for.
    def paths
      if @kind == :v2
        path = @event['rawPath'] || '/' # Lambda has decoded it
        stage = @context['stage'] || '$default'
        inside = stage == '$default' ? path : path.sub(%r{\A/#{Regexp.escape(stage)}(?=/|\z)}, '')
        return ['', inside.empty? ? '/' : inside, escaped(path)]
      end
      path = @event['path'] || '/'
      return ['', path.b.gsub(/%(\h\h)/) { $1.hex.chr }, path] if @kind == :alb

      whole = @context['path'] || path
      [whole == path || !whole.end_with?(path) ? '' : whole.delete_suffix(path), path, escaped(whole)]
    end

    # A load balancer hands the query on as it was; API Gateway's REST APIs decode it.
    def query
      return @event['rawQueryString'] || '' if @kind == :v2

      many = @event['multiValueQueryStringParameters'] || {}
      many = (@event['queryStringParameters'] || {}).transform_values { |value| [value] } if many.empty?
      many.sort.flat_map do |name, values|
        values.map { |value| @kind == :alb ? "#{name}=#{value}" : "#{component(name)}=#{component(value.to_s)}" }
      end.join('&')
    end

    def component(text) = text.b.gsub(/[^A-Za-z0-9_.~-]/n) { format('%%%02X', $&.ord) }

    def escaped(text) = text.b.gsub(%r{[^A-Za-z0-9_.~!$&'()*+,;=:@/%-]}n) { format('%%%02X', $&.ord) }

    def split(many)
      cookies = many['set-cookie']
      one = many.except('set-cookie').transform_values { |values| values.join(', ') }
      cookies ? { 'headers' => one, 'cookies' => cookies } : { 'headers' => one }
    end
  end
end
