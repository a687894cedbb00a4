# What fn runtime test asks of a runtime's handler: framework/fnroll/conformance/cases.py has the table.

VERBS = {
  'echo' => ->(event, _) { event['value'] },
  'error' => ->(event, _) { raise event['text'] },
  'exit' => ->(event, _) { exit event['size'] },
  'large' => ->(event, _) { 'x' * (event['size'] - 2) },
  'measure' => ->(event, _) { event['text'].length },
  'print' => ->(event, _) { print event['text'] },
  'process' => ->(_, _) { Process.pid },
  'unencodable' => ->(_, _) { Float::NAN },
  'context' => lambda { |_, context|
    {
      request_id: context.aws_request_id,
      arn: context.invoked_function_arn,
      remaining: context.get_remaining_time_in_millis,
      trace: ENV['_X_AMZN_TRACE_ID'],
      function: context.function_name,
      version: context.function_version,
      memory: context.memory_limit_in_mb
    }
  },
  'stream' => lambda { |event, _|
    lambda { |respond|
      out = respond.call('text/plain')
      event['parts'].each { |part| out.write(part) }
      out.close
    }
  },
  'break' => lambda { |event, _|
    lambda { |respond|
      respond.call('text/plain').write(event['text'])
      raise 'broke off'
    }
  }
}.freeze

def handle(event:, context:)
  event.is_a?(Hash) && event['do'] ? VERBS.fetch(event['do']).call(event, context) : event
end
