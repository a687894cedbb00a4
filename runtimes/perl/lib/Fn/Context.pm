package Fn::Context;

# What a handler may ask about the invocation it is in: its second argument. Names as in AWS's own runtimes.

use strict;
use warnings;

# \%headers: of the answer to GET next, names in lower case; $json: a decoder of UTF-8 JSON.
sub new {
    my ($class, $headers, $json) = @_;
    return bless { headers => $headers, json => $json }, $class;
}

sub aws_request_id       { return $_[0]{headers}{'lambda-runtime-aws-request-id'} }
sub invoked_function_arn { return $_[0]{headers}{'lambda-runtime-invoked-function-arn'} }
sub tenant_id            { return $_[0]{headers}{'lambda-runtime-aws-tenant-id'} }
sub function_name        { return $ENV{AWS_LAMBDA_FUNCTION_NAME} }
sub function_version     { return $ENV{AWS_LAMBDA_FUNCTION_VERSION} }
sub log_group_name       { return $ENV{AWS_LAMBDA_LOG_GROUP_NAME} }
sub log_stream_name      { return $ENV{AWS_LAMBDA_LOG_STREAM_NAME} }
sub memory_limit_in_mb   { return 0 + ($ENV{AWS_LAMBDA_FUNCTION_MEMORY_SIZE} || 0) }

# Decoded JSON: what the caller sent along, and who it is (Amazon Cognito). undef where there is none.
sub client_context { return $_[0]->_decoded('lambda-runtime-client-context') }
sub identity       { return $_[0]->_decoded('lambda-runtime-cognito-identity') }

# Milliseconds until Lambda kills this invocation; never below 0. undef if the platform named no deadline.
sub get_remaining_time_in_millis {
    my ($self) = @_;
    my $deadline = $self->{headers}{'lambda-runtime-deadline-ms'};
    return undef if !defined $deadline;    ## no critic: undef in list context too
    my $now = eval { require Time::HiRes; Time::HiRes::time() } || time;
    my $left = int($deadline - $now * 1000);
    return $left > 0 ? $left : 0;
}

sub _decoded {
    my ($self, $header) = @_;
    my $text = $self->{headers}{$header};
    return undef if !defined $text || $text eq '';
    $self->{decoded}{$header} = $self->{json}->decode($text) if !exists $self->{decoded}{$header};
    return $self->{decoded}{$header};
}

1;
