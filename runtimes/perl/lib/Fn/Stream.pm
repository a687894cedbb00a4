package Fn::Stream;

# An answer that is sent as it comes: made by the loop, and the writer that a handler gets.
#
#     return sub { my $writer = $_[0]->('text/plain'); $writer->write($bytes); $writer->close };

use strict;
use warnings;

use Fn::Base64;

my $HTTP = 'application/vnd.awslambda.http-integration-response';

sub new {
    my ($class, $api, $path) = @_;
    return bless { api => $api, path => $path, begun => 0, closed => 0 }, $class;
}

sub begun { return $_[0]{begun} }

# The responder. A content type, and for an answer over HTTP its prelude as JSON: {statusCode, headers, cookies}.
sub begin {
    my ($self, $type, $prelude) = @_;
    die "this answer streams already\n" if $self->{begun};
    $type = $HTTP if defined $prelude;
    $type = 'application/octet-stream' if !defined $type;
    $self->{begun} = 1;
    $self->{api}->begin(
        $self->{path},
        'Content-Type'                          => $type,
        'Lambda-Runtime-Function-Response-Mode' => 'streaming',
        'Trailer'                               => 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body',
    );
    $self->{api}->chunk($prelude . "\0" x 8) if defined $prelude;
    return $self;
}

# Bytes; characters beyond them are sent as UTF-8.
sub write {    ## no critic: the name that PSGI gives it
    my ($self, $bytes) = @_;
    die "this stream is closed\n" if $self->{closed};
    utf8::encode($bytes) if utf8::is_utf8($bytes);
    $self->{api}->chunk($bytes);
    return;
}

sub close {    ## no critic: likewise
    my ($self) = @_;
    $self->{closed} = 1;
    return;
}

# For the loop. ($status, $body) of the Runtime API's answer; an error goes into the trailers.
sub end {
    my ($self, $type, $error) = @_;
    $self->{closed} = 1;
    my @trailers;
    @trailers = (
        'Lambda-Runtime-Function-Error-Type' => $type,
        'Lambda-Runtime-Function-Error-Body' => Fn::Base64::encode($error),
    ) if defined $error;
    my ($status, undef, $said) = $self->{api}->finish(@trailers);
    return ($status, $said);
}

1;
