package Fn::Runtime;

# The loop of a custom runtime: load the handler once, then event in, answer out, for ever.
#
# Contract: AWS's custom runtime API. A handler that cannot be loaded is posted to init/error and ends the process with
# status 1; a handler that dies, or returns what JSON cannot hold, is posted to its invocation's error, and the loop
# goes on. Every error is also one line on STDERR, which is the function's log.

use strict;
use warnings;

use Fn::Api;
use Fn::Context;
use Fn::Json;

my $ERROR_TYPE = 'application/vnd.aws.lambda.error+json';
my ($api, $json);

sub run {
    my ($task) = @_;
    binmode $_, ':utf8' for *STDOUT, *STDERR;    # strings of an event are characters, in the log too
    _flush();
    my $address = $ENV{AWS_LAMBDA_RUNTIME_API};
    if (!defined $address) {
        _log('AWS_LAMBDA_RUNTIME_API is not set: this program is started by Lambda, or by fn run');
        exit 1;
    }
    my $served = eval {
        $api  = Fn::Api->new($address);
        $json = Fn::Json::codec();
        my ($handler, $failure) = _load($task, $ENV{_HANDLER});
        if ($failure) {
            _flush();
            _report('init/error', $failure);
        }
        else {
            my $processes = $ENV{AWS_LAMBDA_MAX_CONCURRENCY} || 1;
            if ($processes > 1) {
                require Fn::Prefork;
                Fn::Prefork::run($processes);    # returns in each of them
            }
            _serve($handler);
        }
        1;
    };
    _log("Runtime API: $@") if !$served;
    exit 1;
}

# (\&handler) or (undef, \%failure). "lib/foo.handle": sub main::handle of lib/foo.pl, split at the last dot.
sub _load {
    my ($task, $name) = @_;
    $name = '' if !defined $name;
    my ($file, $sub) = $name =~ /\A(.+)\.([A-Za-z_]\w*(?:::\w+)*)\z/s
        or return (undef, _failure('Runtime.MalformedHandlerName', "Bad handler '$name': want FILE.SUB, as in handler.handle"));
    my $path = "$task/$file.pl";
    -f $path && -r _
        or return (undef, _failure('Runtime.ImportModuleError', "Unable to load '$file.pl': no such readable file in $task"));
    my ($last, $error) = {};
    {
        local $SIG{__DIE__} = sub { $last = { error => $_[0], running => defined $^S, stack => _stack() } };
        local ($@, $!);
        # `do` and not `require`: the file need not end in a true value. It starts in the package that is current here.
        { package main; do($path =~ m{\A/} ? $path : "./$path") }
        $error = $@;
    }
    return (undef, _load_failure($error, $last)) if ref $error || $error ne '';
    my $full = $sub =~ /::/ ? $sub : "main::$sub";
    no strict 'refs';
    return \&{$full} if defined &{$full};
    return (undef, _failure('Runtime.HandlerNotFound', "Handler '$name': there is no sub $full after loading $file.pl"));
}

# Perl calls no __DIE__ hook for a plain syntax error, and leaves $^S undefined while it compiles.
sub _load_failure {
    my ($error, $last) = @_;
    return _failure('Runtime.ImportModuleError', _text($error), $last->{stack})
        if !ref $error && $error =~ /\ACan't locate \S+ in \@INC/;
    my $same = exists $last->{error} && (ref $error ? ref $last->{error} : !ref $last->{error} && $last->{error} eq $error);
    return _exception($error, $last->{stack}) if $same && $last->{running};
    return _failure('Runtime.UserCodeSyntaxError', _text($error));
}

sub _serve {
    my ($handler) = @_;
    while (1) {
        my ($status, $headers, $body) = $api->request('GET', 'invocation/next');
        die "next answered $status: $body\n" if $status != 200;
        my $id = $headers->{'lambda-runtime-aws-request-id'};
        die "next named no request\n" if !defined $id;
        my $trace = $headers->{'lambda-runtime-trace-id'};
        if   (defined $trace) { $ENV{_X_AMZN_TRACE_ID} = $trace }
        else                  { delete $ENV{_X_AMZN_TRACE_ID} }

        my ($answer, $failure) = _invoke($handler, $body, Fn::Context->new($headers, $json));
        _flush();
        ($answer, $failure) = _stream("invocation/$id/response", $answer) if ref $answer;
        if ($failure) {
            _report("invocation/$id/error", $failure);
        }
        elsif (defined $answer) {
            _post("invocation/$id/response", $answer, 'Content-Type' => 'application/json');
        }
    }
}

# (JSON bytes), (a CODE that wants to stream) or (undef, \%failure).
sub _invoke {
    my ($handler, $body, $context) = @_;
    my ($event, $answer, $last, $stage) = (undef, undef, {}, 'Runtime.UnmarshalError');
    my $done = eval {
        $event = $json->decode($body);
        $stage = undef;
        my $result = do {
            local $SIG{__DIE__} = sub { $last = { stack => _stack() } };
            $handler->($event, $context);
        };
        $stage  = 'Runtime.MarshalError';
        $answer = ref $result eq 'CODE' ? $result : Fn::Json::encode($json, $result);
        1;
    };
    return $answer if $done;
    my $error = $@;
    return (undef, _failure($stage, _text($error))) if defined $stage;
    return (undef, _exception($error, $last->{stack}));
}

# Let the handler's CODE stream its answer: it is called with a responder, which takes a content type and gives a writer.
# () when that has been sent, with an error in its trailers perhaps; (undef, \%failure) when nothing has been sent.
sub _stream {
    my ($path, $code) = @_;
    require Fn::Stream;
    my $stream = Fn::Stream->new($api, $path);
    my $last   = {};
    my $done   = eval {
        local $SIG{__DIE__} = sub { $last = { stack => _stack() } };
        $code->(sub { $stream->begin(@_) });
        1;
    };
    my $failure = $done ? undef : _exception($@, $last->{stack});
    _flush();
    if (!$stream->begun) {
        my $text = 'the result is a CODE reference that asked for no stream, which JSON cannot represent';
        return (undef, $failure || _failure('Runtime.MarshalError', $text));
    }
    _log("$failure->{errorType}: $failure->{errorMessage}") if $failure;
    my ($status, $said) = $stream->end($failure ? (_header_type($failure->{errorType}), $json->encode($failure)) : ());
    _log("Runtime API refused $path with $status: $said") if $status >= 300;
    return;
}

sub _failure {
    my ($type, $message, $stack) = @_;
    return { errorType => $type, errorMessage => $message, stackTrace => $stack || [] };
}

# What a handler died of: a string, an object or any reference.
sub _exception {
    my ($error, $stack) = @_;
    local $SIG{__DIE__};
    my $class = ref $error;
    my $is_object = $class && eval { $error->can('can') };
    return _failure($is_object ? "$class" : 'Error', _text($error), $stack);
}

sub _text {
    my ($error) = @_;
    local $SIG{__DIE__};
    my $text = eval { ref $error ? _unwrap($error) : $error };
    $text = 'an error that cannot be printed' if !defined $text;
    $text = 'unknown error' if $text eq '';
    utf8::decode($text) if !utf8::is_utf8($text);    # perl's own messages quote the source's bytes
    $text =~ s/\s+\z//;
    return $text;
}

sub _unwrap {
    my ($error) = @_;
    if (eval { $error->can('can') }) {
        require overload;
        return "$error" if overload::Method($error, '""');
        return '' . $error->message if $error->can('message');
        return "$error";
    }
    return eval { my $text = $json->encode($error); utf8::decode($text); $text } || "$error";
}

# Where we are, innermost first, down to the call that this file made. To be called from a __DIE__ hook.
sub _stack {
    my @lines;
    for (my $level = 1; my (undef, $file, $line) = caller $level; $level++) {
        last if $file eq __FILE__;
        my $inside = (caller $level + 1)[3];
        push @lines, "$file:$line:in " . (defined $inside ? $inside : 'main');
        last if @lines == 100;
    }
    return \@lines;
}

sub _report {
    my ($path, $failure) = @_;
    _log("$failure->{errorType}: $failure->{errorMessage}");
    _post($path, $json->encode($failure),
        'Content-Type' => $ERROR_TYPE, 'Lambda-Runtime-Function-Error-Type' => _header_type($failure->{errorType}));
    return;
}

# Lambda takes (Runtime|Function)\.[A-Z][A-Za-z]+ and calls anything else Runtime.Unknown.
sub _header_type {
    my ($type) = @_;
    return $type if $type =~ /\ARuntime\.[A-Z][A-Za-z]+\z/;
    (my $letters = $type) =~ s/[^A-Za-z]//g;
    return 'Function.' . (length $letters > 1 ? ucfirst $letters : 'Error');
}

# A refusal is logged and no more: with 413 the platform has already answered for us, and nobody wants a second answer.
sub _post {
    my ($path, $body, @headers) = @_;
    my ($status, undef, $said) = $api->request('POST', $path, $body, @headers);
    _log("Runtime API refused $path with $status: $said") if $status >= 300;
    return;
}

# One line, whatever the message: a line is one event in the log.
sub _log {
    my ($message) = @_;
    $message =~ s/\s+\z//;
    $message =~ s/\s*\n\s*/ | /g;
    local ($\, $,);
    print {*STDERR} "[ERROR] $message\n";
    return;
}

# Setting $| flushes at once, even where it was set before; it needs no module.
sub _flush {
    my $selected = select STDERR;
    $| = 1;
    select STDOUT;
    $| = 1;
    select $selected;
    return;
}

1;
