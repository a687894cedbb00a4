package Fn::PSGI;

# A PSGI application as a handler, without Plack:
#
#     use Fn::PSGI;
#     my $handler = Fn::PSGI->wrap($app);    # or a file: Fn::PSGI->wrap('app.psgi')
#     sub handle { $handler->(@_) }
#
# Its answer is sent whole; as a stream with wrap($app, stream => 1), which wants the URL's invoke mode RESPONSE_STREAM.

use strict;
use warnings;

use Fn::Http;
use Fn::Json;

sub wrap {
    my ($class, $app, %options) = @_;
    $app = _load($app) if !ref $app;
    my $stream = $options{stream};
    $stream = ($ENV{AWS_LWA_INVOKE_MODE} || '') eq 'RESPONSE_STREAM' if !defined $stream;
    return sub {
        my ($event, $context) = @_;
        my $http = Fn::Http->new($event);
        my $env  = _env($http, $event, $context);
        return $stream ? sub { _stream($http, $app->($env), $_[0]) } : _collect($http, $app->($env));
    };
}

sub _load {
    my ($file) = @_;
    my $path = $file =~ m{\A/} ? $file : ($ENV{LAMBDA_TASK_ROOT} || '/var/task') . "/$file";
    my $app = do $path;
    die $@ if $@;
    die "cannot read $path: $!\n" if !defined $app && $!;
    die "$path gives no PSGI application\n" if ref $app ne 'CODE' && !eval { $app->can('(&{}') };
    return $app;
}

sub _env {
    my ($http, $event, $context) = @_;
    my ($env, $scheme) = $http->env;
    my $body = $http->body;
    $body = '' if !defined $body;
    open my $input, '<', \$body or die "cannot read the body: $!\n";
    return {
        %$env,
        'psgi.version'         => [ 1, 1 ],
        'psgi.url_scheme'      => $scheme,
        'psgi.input'           => $input,
        'psgi.errors'          => *STDERR{IO},
        'psgi.multithread'     => !!0,
        'psgi.multiprocess'    => !!0,
        'psgi.run_once'        => !!0,
        'psgi.nonblocking'     => !!0,
        'psgi.streaming'       => !!1,
        'psgix.input.buffered' => !!1,
        'psgix.request_id'     => $context->aws_request_id,
        'fn.event'             => $event,
        'fn.context'           => $context,
    };
}

# One answer. A delayed one ([status, headers], body by a writer) is waited for.
sub _collect {
    my ($http, $answer) = @_;
    my ($status, $headers);
    my $body = '';
    if (ref $answer eq 'CODE') {
        $answer->(
            sub {
                my ($start) = @_;
                ($status, $headers) = @$start;
                if (@$start > 2) {
                    _each($start->[2], sub { $body .= $_[0] });
                    return;
                }
                return Fn::PSGI::Writer->new(sub { $body .= $_[0] });
            }
        );
        die "the application gave no answer\n" if !defined $status;
    }
    else {
        ($status, $headers) = @$answer;
        _each($answer->[2], sub { $body .= $_[0] });
    }
    die "the application's body holds characters; PSGI wants bytes\n" if utf8::is_utf8($body) && !utf8::downgrade($body, 1);
    return $http->answer($status, $headers, $body);
}

sub _stream {
    my ($http, $answer, $respond) = @_;
    my $json  = Fn::Json::codec();
    my $begin = sub {
        my ($start) = @_;
        my $writer = $respond->(undef, $json->encode($http->prelude(@$start[ 0, 1 ])));
        return $writer if @$start < 3;
        _each($start->[2], sub { $writer->write($_[0]) });
        $writer->close;
        return;
    };
    if   (ref $answer eq 'CODE') { $answer->($begin) }
    else                         { $begin->($answer) }
    return;
}

# Call $take with each part of a body: a list of strings, or something that reads lines.
sub _each {
    my ($body, $take) = @_;
    if (ref $body eq 'ARRAY') {
        $take->($_) for grep { defined && length } @$body;
        return;
    }
    local $/ = \65_536;
    while (defined(my $part = $body->getline)) {
        $take->($part) if length $part;
    }
    $body->close;
    return;
}

package Fn::PSGI::Writer;

sub new   { my ($class, $take) = @_; return bless { take => $take }, $class }
sub write { my ($self, $part) = @_; $self->{take}->($part); return }    ## no critic: PSGI's name
sub close { return }                                                     ## no critic: likewise

1;
