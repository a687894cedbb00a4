#!/usr/bin/perl
# An external extension for the scenario table. It registers for INVOKE and SHUTDOWN and prints what it gets, as
# "NAME: EVENT"; the variable EXTENSION says what it does otherwise.

use strict;
use warnings;
use JSON::PP ();
use Socket;

$| = 1;
my ($name) = $0 =~ m{([^/]+)\z};
my $does = defined $ENV{EXTENSION} ? $ENV{EXTENSION} : '';
my ($host, $port) = split /:/, $ENV{AWS_LAMBDA_RUNTIME_API};

# Status, head and body of one request on a connection of its own.
sub call {
    my ($method, $path, $body, @headers) = @_;
    socket my $to, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
    connect $to, pack_sockaddr_in($port, inet_aton($host)) or die "connect: $!";
    push @headers, 'Host: api', 'Connection: close', 'Content-Length: ' . length $body;
    syswrite $to, join "\r\n", "$method /2020-01-01/extension/$path HTTP/1.1", @headers, '', $body;
    my $got = '';
    1 while sysread $to, $got, 65_536, length $got;
    my ($head, $said) = split /\r\n\r\n/, $got, 2;
    my ($status) = $head =~ m{\AHTTP/1\.1 (\d+)};
    return ($status, $head, $said);
}

sub pause { select undef, undef, undef, $_[0] }

sub say_line { print "$name: $_[0]\n" }

if ($does eq 'exit') { exit 3 }
if ($does eq 'wait') { sleep 60 }
if ($does eq 'names') {
    say_line(join ' ', grep { /\A(?:AWS_EXECUTION_ENV|AWS_LAMBDA_|LAMBDA_|_|OWN)/ } sort keys %ENV);
}
# Under a wrong name first, if so told: what it is refused with is one line.
for my $try ($does eq 'other' ? [q(other), '{"events":["INVOKE","SHUTDOWN"]}'] : (),
             $does eq 'other' ? [$name,    '{"events":["DEPLOY"]}']            : (),
             $does eq 'other' ? [$name,    'no JSON']                          : ()) {
    my ($status, undef, $said) = call('POST', 'register', $try->[1], "Lambda-Extension-Name: $try->[0]");
    $said =~ s/\s+\z//;
    say_line("$status $said");
}
my ($status, $head, $said) = call('POST', 'register', '{"events":["INVOKE","SHUTDOWN"]}', "Lambda-Extension-Name: $name");
my ($id) = $head =~ /Lambda-Extension-Identifier: (\S+)/i;
say_line($said) if $does eq 'names';
my @known = ("Lambda-Extension-Identifier: $id");
my $kind = 'Lambda-Extension-Function-Error-Type: Extension.NoLuck';
if ($does eq 'init error') { call('POST', 'init/error', '{}', @known, $kind); pause(0.2); exit 1 }

while (1) {
    ($status, undef, $said) = call('GET', 'event/next', '', @known);
    my $event = JSON::PP::decode_json($said);
    say_line($event->{eventType} . ($event->{shutdownReason} ? " $event->{shutdownReason}" : ''));
    exit 0 if $event->{eventType} eq 'SHUTDOWN';
    exit 4 if $does eq 'crash';
    if ($does eq 'exit error') { call('POST', 'exit/error', '{}', @known, $kind); pause(0.2); exit 1 }
    pause(1) if $does eq 'slow';
}
