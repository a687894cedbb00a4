# frozen_string_literal: true

require 'socket'

module Fn
  # The client's side of the Runtime API: HTTP/1.1 on one kept-alive connection. Head and body leave in one write, without
  # Nagle's delay, and no read has a time limit: the process is frozen inside `next`, for as long as nothing happens.
  class Api
    Answer = Struct.new(:status, :headers, :body)
    PREFIX = '/2018-06-01/runtime/'
    Lost = Class.new(IOError)

    # address: host:port, as in AWS_LAMBDA_RUNTIME_API.
    def initialize(address)
      @address = address
      @host, _, @port = address.rpartition(':')
      @socket = nil
    end

    # An answer, headers with lower-case names. A kept connection may have been closed while nobody looked: as long as no
    # answer has begun, the request is made once more.
    def request(method, path, body = nil, headers = {})
      headers = headers.merge('Content-Length' => body.bytesize) if body
      text = head(method, path, headers) << body.to_s.b
      reused = !@socket.nil?
      begin
        send_bytes(text)
        first = line
      rescue SystemCallError, Lost
        close
        raise unless reused

        send_bytes(text)
        first = line
      end
      answer(first)
    end

    # A POST whose body is sent as it comes: then `chunk` for each part, and `finish` for the answer.
    def begin_stream(path, headers)
      close if @socket && @socket.wait_readable(0) # nothing is due: it was closed
      send_bytes(head('POST', path, headers.merge('Transfer-Encoding' => 'chunked')))
    end

    def chunk(bytes)
      send_bytes("#{bytes.bytesize.to_s(16)}\r\n".b << bytes.b << "\r\n") unless bytes.empty?
    end

    def finish(trailers = {})
      send_bytes("0\r\n#{fields(trailers)}\r\n")
      answer(line)
    end

    private

    def head(method, path, headers)
      (+"#{method} #{PREFIX}#{path} HTTP/1.1\r\nHost: #{@address}\r\nUser-Agent: fn-ruby\r\n#{fields(headers)}\r\n").b
    end

    def fields(headers)
      headers.map { |name, value| "#{name}: #{value}\r\n" }.join
    end

    def send_bytes(bytes)
      @socket ||= TCPSocket.new(@host, @port.to_i).tap do |socket|
        socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
        socket.sync = true
      end
      @socket.write(bytes)
    end

    def answer(first)
      status, headers = answer_head(first)
      status, headers = answer_head(line) while status < 200
      body = read_body(headers)
      close if headers['connection'].to_s.downcase.include?('close')
      Answer.new(status, headers, body)
    end

    def answer_head(first)
      status = first[%r{\AHTTP/1\.[01] (\d{3})}, 1] or raise IOError, "this is no HTTP: #{first.inspect}"
      [status.to_i, headers]
    end

    def headers
      found = {}
      until (text = line).empty?
        name, value = text.split(':', 2)
        found[name.downcase] = value.to_s.strip
      end
      found
    end

    def read_body(headers)
      if headers['transfer-encoding'].to_s.downcase.include?('chunked')
        body = ''.b
        while (size = line.to_i(16)).positive?
          body << bytes(size)
          line
        end
        self.headers # trailers
        return body
      end
      bytes(headers['content-length'].to_i)
    end

    def line
      text = @socket.gets("\n") or raise Lost, 'the connection was closed'
      text.chomp
    end

    def bytes(count)
      return ''.b if count.zero?

      data = @socket.read(count)
      raise Lost, 'the connection was closed' if data.nil? || data.bytesize < count

      data
    end

    def close
      @socket&.close
      @socket = nil
    end
  end
end
