package Fn::Prefork;

# So many processes where one environment takes so many invocations at a time (managed instances,
# AWS_LAMBDA_MAX_CONCURRENCY). The handler has been loaded once, before; each process asks for events of its own.

use strict;
use warnings;

# Returns in each of the processes. The one that called keeps their number and ends with the first signal to end.
sub run {
    my ($count) = @_;
    my %running;
    my $ending = 0;
    local $SIG{TERM} = sub { $ending = 1; kill TERM => keys %running };
    local $SIG{INT}  = $SIG{TERM};
    while (1) {
        while (!$ending && keys %running < $count) {
            my $pid = fork;
            die "cannot fork: $!\n" if !defined $pid;
            if ($pid == 0) {
                $SIG{TERM} = $SIG{INT} = 'DEFAULT';
                return;
            }
            $running{$pid} = time;
        }
        exit 0 if $ending && !%running;
        my $pid   = wait;
        my $since = delete $running{$pid} or next;
        select undef, undef, undef, 0.5 if time - $since < 2;    # one that cannot live is no reason to spin
    }
}

1;
