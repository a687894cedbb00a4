# frozen_string_literal: true

# The loop of a custom runtime for ruby: load the handler once, then event in, answer out, for ever.
#
# Contract: AWS's custom runtime API. A handler that cannot be loaded is posted to init/error and ends the process with
# status 1; one that raises, or returns what JSON cannot hold, is posted to its invocation's error, and the loop goes on.
# Every error is also one event on STDERR, which is the function's log.

# The function's own files win over those of layers, these over ruby's, and ours (fn/rack) come last.
task = ENV.fetch('LAMBDA_TASK_ROOT', '/var/task')
opt = __dir__.end_with?('/fn/ruby') ? __dir__.delete_suffix('/fn/ruby') : '/opt'
$LOAD_PATH.unshift(task, "#{task}/lib", "#{opt}/ruby/lib").push("#{__dir__}/lib")
version = "#{RUBY_VERSION[/\A\d+\.\d+/]}.0"
gems = ["#{task}/vendor/bundle/ruby/#{version}", "#{opt}/ruby/gems/#{version}"]
if (found = gems.select { |path| File.directory?(path) }).any?
  ENV['GEM_PATH'] = [*found, ENV['GEM_PATH']].compact.join(':')
  require 'rubygems'
end

require_relative 'lib/fn/runtime'
Fn::Runtime.new(task).run
