# The vocabulary of the scenario table (../vocabulary.py lists it) for the perl runtime of this repository. An event is a
# list of steps, "verb rest" each. The steps in the variable INIT run while this file is loaded.

use strict;
use warnings;
use JSON::PP ();
use Socket ();

my ($count, @hoard) = (0);

# What the steps of one invocation share; `answer` is what the handler will return.
my ($event, $context, @notes, $answer);

my %verbs = (
    print  => sub { print "$_[0]\n" },
    write  => sub { print $_[0] },
    stderr => sub { print {*STDERR} "$_[0]\n" },
    bytes  => sub { binmode STDOUT, ':raw'; print pack 'H*', $_[0]; binmode STDOUT, ':utf8' },
    flood  => sub { print 'x' x 1023, "\n" for 1 .. $_[0] },

    return  => sub { $answer = JSON::PP->new->allow_nonref->decode($_[0]) },
    echo    => sub { $answer = $event },
    large   => sub { $answer = 'x' x ($_[0] - 2) },
    measure => sub { $answer = length $_[0] },
    notes   => sub { $answer = [@notes] },
    marshal => sub { $answer = sub { } },
    raise   => sub { die "$_[0]\n" },

    exit    => sub { exit $_[0] },
    signal  => sub { kill $_[0], $$; sleep 60 },
    exec    => sub { no warnings 'exec'; exec { $_[0] } $_[0] or exit 127 },
    sleep   => sub { select undef, undef, undef, $_[0] / 1000 },
    spin    => sub { 1 while 1 },
    ignore  => sub { $SIG{ $_[0] } = 'IGNORE' },

    count   => sub { push @notes, ++$count },
    sh      => sub { my $said = qx{exec 2>&1\n$_[0]}; $said =~ s/\s+\z//; push @notes, $said },
    start   => sub { start($_[0]) },
    env     => sub { my $value = $ENV{ $_[0] }; utf8::decode($value) if defined $value; push @notes, $value },
    grow    => sub { push @hoard, 'x' x ($_[0] << 20) },
    http    => sub { push @notes, http($_[0]) },
    context => sub { push @notes, about($context) },
);

# False: the steps that are left are skipped.
sub perform {
    my ($step) = @_;
    my ($verb, $rest) = split / /, $step, 2;
    return once($rest) if $verb eq 'once';
    my $act = $verbs{$verb} or die "perl has no verb '$verb'\n";
    $act->(defined $rest ? $rest : '');
    return 1;
}

sub once {
    my ($path) = @_;
    return 0 if -e $path;
    open my $file, '>', $path or die "$path: $!\n";
    return 1;
}

sub start {
    my ($command) = @_;
    defined(my $child = fork) or die "fork: $!\n";
    return if $child;
    require POSIX;
    POSIX::setsid();
    exec '/bin/sh', '-c', $command;
}

# One request over a connection of its own; the answer's status and body.
sub http {
    my ($request) = @_;
    my ($host, $port) = split /:/, $ENV{AWS_LAMBDA_RUNTIME_API};
    my $id = $context->aws_request_id;
    $request =~ s/\{ID\}/$id/g;
    socket my $to, Socket::PF_INET(), Socket::SOCK_STREAM(), 0 or die "socket: $!\n";
    connect $to, Socket::pack_sockaddr_in($port, Socket::inet_aton($host)) or die "connect: $!\n";
    utf8::encode($request) if utf8::is_utf8($request);
    syswrite $to, $request;
    my $got = '';
    1 while sysread $to, $got, 65_536, length $got;
    my ($head, $body) = split /\r\n\r\n/, $got, 2;
    my ($status) = $head =~ m{\AHTTP/1\.1 (\d+)};
    $body =~ s/\s+\z//;
    return $body eq '' ? $status : "$status $body";
}

sub about {
    my ($of) = @_;
    return {
        request_id => $of->aws_request_id,
        arn        => $of->invoked_function_arn,
        remaining  => $of->get_remaining_time_in_millis,
        client     => $of->client_context,
        identity   => $of->identity,
        tenant     => $of->tenant_id,
        trace      => $ENV{_X_AMZN_TRACE_ID},
    };
}

sub handle {
    ($event, $context) = @_;
    @notes  = ();
    $answer = undef;
    for my $step (ref $event eq 'ARRAY' ? @$event : 'echo') {
        last if !perform($step);
    }
    return $answer;
}

for my $step (@{ JSON::PP->new->utf8->decode($ENV{INIT} || '[]') }) {
    last if !perform($step);
}

1;
