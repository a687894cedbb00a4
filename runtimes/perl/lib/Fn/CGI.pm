package Fn::CGI;

# A CGI program as a handler: run for each request, as a web server would.
#
#     use Fn::CGI;
#     my $handler = Fn::CGI->wrap('script.cgi');
#     sub handle { $handler->(@_) }
#
# The program gets CGI's variables and the body on STDIN; what it prints to STDERR is in the log.

use strict;
use warnings;

use Fn::Http;

sub wrap {
    my ($class, $file, %options) = @_;
    my $path = $file =~ m{\A/} ? $file : ($ENV{LAMBDA_TASK_ROOT} || '/var/task') . "/$file";
    my @command = _command($path);
    return sub {
        my ($event) = @_;
        my $http = Fn::Http->new($event);
        my ($env) = $http->env;
        my %extra = (GATEWAY_INTERFACE => 'CGI/1.1', SERVER_SOFTWARE => 'fn', SCRIPT_FILENAME => $path);
        my ($output, $status) = _run(\@command, { %$env, %extra, %{ $options{env} || {} } }, $http->body);
        return $http->answer(_parsed($output, $status));
    };
}

# A script of perl's runs in the perl that this is: the one that its first line names need not be there.
sub _command {
    my ($path) = @_;
    open my $file, '<', $path or die "cannot read $path: $!\n";
    my $first = readline $file;
    close $file;
    return ($^X, $path) if defined $first && $first =~ /\A#!.*\bperl\b/;
    die "$path is not executable: chmod +x\n" if !-x $path;
    return ($path);
}

# What it printed, and how it ended. The body goes through a file: a pipe could fill while the program prints.
sub _run {
    my ($command, $env, $body) = @_;
    my $input;
    if (defined $body && length $body) {
        my $name = ($ENV{TMPDIR} || '/tmp') . "/fn-cgi-$$";
        open $input, '+>:raw', $name or die "cannot write $name: $!\n";
        unlink $name;
        print {$input} $body;
        seek $input, 0, 0;
    }
    else {
        open $input, '<', '/dev/null' or die "cannot read /dev/null: $!\n";
    }
    local %ENV = (%ENV, %$env);
    my $pid = open my $output, '-|';
    die "cannot fork: $!\n" if !defined $pid;
    if ($pid == 0) {
        open STDIN, '<&', $input or die "cannot hand over the body: $!\n";
        { no warnings; exec { $command->[0] } @$command };
        print STDERR "cannot run $command->[0]: $!\n";
        require POSIX;
        POSIX::_exit(127);
    }
    binmode $output;
    local $/;
    my $text = <$output>;
    close $output;
    return (defined $text ? $text : '', $?);
}

# (status, headers, body): a head as HTTP's, whose Status is the answer's; a Location alone is a redirection.
sub _parsed {
    my ($output, $ended) = @_;
    my ($head, $body) = $output =~ /\A(.*?\r?\n)\r?\n(.*)\z/s;
    if (!defined $head || $head !~ /\A[^\s:]+:/) {
        my $how = $ended ? ' and ended with ' . ($ended & 127 ? 'signal ' . ($ended & 127) : 'status ' . ($ended >> 8)) : '';
        die "the CGI program printed no header$how\n";
    }
    my ($status, @headers);
    for my $line (split /\r?\n/, $head) {
        my ($name, $value) = $line =~ /\A([^\s:]+):\s*(.*?)\s*\z/ or die "the CGI program printed no header: '$line'\n";
        if   (lc $name eq 'status') { ($status) = $value =~ /\A(\d{3})/ }
        else                        { push @headers, $name, $value }
    }
    my %named = @headers;
    $status = (grep { lc eq 'location' } keys %named) ? 302 : 200 if !defined $status;
    return ($status, \@headers, $body);
}

1;
