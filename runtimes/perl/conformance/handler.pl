use strict;
use warnings;
use utf8;

# What fn runtime test asks of a runtime's handler: framework/fnroll/conformance/cases.py has the table.

my %verbs = (
    echo    => sub { $_[0]{value} },
    error   => sub { die "$_[0]{text}\n" },
    exit    => sub { exit $_[0]{size} },
    large   => sub { 'x' x ($_[0]{size} - 2) },
    measure => sub { length $_[0]{text} },
    print   => sub { $| = 0; print $_[0]{text}; undef },
    process => sub { $$ + 0 },
    context => sub {
        my ($event, $context) = @_;
        return {
            request_id => $context->aws_request_id,
            arn        => $context->invoked_function_arn,
            remaining  => $context->get_remaining_time_in_millis,
            trace      => $ENV{_X_AMZN_TRACE_ID},
            function   => $context->function_name,
            version    => $context->function_version,
            memory     => $context->memory_limit_in_mb,
        };
    },
    unencodable => sub { sub {1} },
    stream      => sub {
        my ($event) = @_;
        return sub {
            my $writer = $_[0]->('text/plain');
            $writer->write($_) for @{ $event->{parts} };
            $writer->close;
        };
    },
    break => sub {
        my ($event) = @_;
        return sub { $_[0]->('text/plain')->write($event->{text}); die "broke off\n" };
    },
);

sub handle {
    my ($event, $context) = @_;
    my $do = ref $event eq 'HASH' && $event->{do};
    return $do ? $verbs{$do}->($event, $context) : $event;
}
