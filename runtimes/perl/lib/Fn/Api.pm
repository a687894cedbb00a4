package Fn::Api;

# The client's side of the Runtime API: HTTP/1.1 on one kept-alive connection.
#
# Small for a reason: Socket and HTTP::Tiny together cost more start-up time than perl itself, and HTTP::Tiny's two
# writes per request meet Nagle's algorithm and cost 40 ms each. Head and body leave here in one write. No read has a
# time limit: the process is frozen inside GET next, for as long as nothing happens.

use strict;
use warnings;

# The same on Linux and BSD. constant.pm would cost more than perl's own start.
sub AF_INET ()     { return 2 }
sub SOCK_STREAM () { return 1 }
sub IPPROTO_TCP () { return 6 }
sub TCP_NODELAY () { return 1 }

my $PREFIX = '/2018-06-01/runtime/';

# $address: host:port, as in AWS_LAMBDA_RUNTIME_API.
sub new {
    my ($class, $address) = @_;
    my ($host, $port) = $address =~ /\A(.+):(\d+)\z/ or die "not host:port: '$address'\n";
    return bless { address => $address, host => $host, port => $port, buffer => '' }, $class;
}

# ($status, \%headers with lower-case names, $body). All strings are bytes. Dies if there is no answer.
sub request {
    my ($self, $method, $path, $body, @headers) = @_;
    push @headers, 'Content-Length' => length $body if defined $body;
    my $request = $self->_head_of($method, $path, @headers);
    $request .= $body if defined $body;

    local $SIG{__DIE__};    # the handler's own hook is not for our errors
    my @answer;
    while (1) {
        my $reused = defined $self->{socket};
        $self->{answered} = 0;
        last if eval { @answer = $self->_exchange($request); 1 };
        my $error = $@;
        $self->_close;
        # A kept connection may have been closed while nobody looked. Once any answer has begun it is too late.
        die $error if !$reused || $self->{answered};
    }
    return @answer;
}

# A POST whose body is sent as it comes: then `chunk` for each part, and `finish` for the answer. A kept connection that
# was closed is found out first, since nothing can be sent twice here.
sub begin {
    my ($self, $path, @headers) = @_;
    local $SIG{__DIE__};
    if (defined $self->{socket}) {
        my $readable = '';
        vec($readable, fileno $self->{socket}, 1) = 1;
        $self->_close if select($readable, undef, undef, 0);
    }
    $self->_connect if !defined $self->{socket};
    $self->_send($self->_head_of('POST', $path, @headers, 'Transfer-Encoding' => 'chunked'));
    return;
}

sub chunk {
    my ($self, $bytes) = @_;
    local $SIG{__DIE__};
    $self->_send(sprintf("%x\r\n", length $bytes) . "$bytes\r\n") if length $bytes;
    return;
}

# @trailers: names and values. As `request`.
sub finish {
    my ($self, @trailers) = @_;
    local $SIG{__DIE__};
    $self->_send("0\r\n" . _fields(@trailers) . "\r\n");
    return $self->_answer;
}

sub _head_of {
    my ($self, $method, $path, @headers) = @_;
    return "$method $PREFIX$path HTTP/1.1\r\nHost: $self->{address}\r\nUser-Agent: fn-perl\r\n" . _fields(@headers) . "\r\n";
}

sub _fields {
    my $lines = '';
    while (my ($name, $value) = splice @_, 0, 2) {
        $lines .= "$name: $value\r\n";
    }
    return $lines;
}

sub _exchange {
    my ($self, $request) = @_;
    $self->_connect if !defined $self->{socket};
    $self->_send($request);
    return $self->_answer;
}

sub _send {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $sent = 0;
    while ($sent < length $bytes) {
        my ($wrote, $error) = (syswrite($self->{socket}, $bytes, length($bytes) - $sent, $sent), $! + 0);
        if    (defined $wrote)         { $sent += $wrote }
        elsif (!_interrupted($error)) { die 'cannot send: ' . _reason($error) }
    }
    return;
}

sub _answer {
    my ($self) = @_;
    my ($version, $status, $headers);
    do { ($version, $status, $headers) = $self->_head } while $status < 200;
    my $body = $self->_body($status, $headers);
    my $connection = lc($headers->{connection} || '');
    $self->_close if $connection =~ /\bclose\b/ || ($version eq '1.0' && $connection !~ /\bkeep-alive\b/);
    return ($status, $headers, $body);
}

sub _head {
    my ($self) = @_;
    my ($first, %headers) = $self->_line;
    my ($version, $status) = $first =~ m{\AHTTP/(1\.[01]) (\d{3})\b} or die "not HTTP: '$first'\n";
    while ((my $line = $self->_line) ne '') {
        my ($name, $value) = $line =~ /\A([^:\s]+):[ \t]*(.*?)[ \t]*\z/s or die "not a header: '$line'\n";
        $headers{ lc $name } = $value;
    }
    return ($version, $status, \%headers);
}

sub _body {
    my ($self, $status, $headers) = @_;
    return '' if $status == 204 || $status == 304;
    if (lc($headers->{'transfer-encoding'} || '') =~ /\bchunked\b/) {
        my $body = '';
        while (1) {
            my ($size) = $self->_line =~ /\A([0-9A-Fa-f]+)/ or die "not a chunk\n";
            last if hex $size == 0;
            $body .= $self->_bytes(hex $size);
            $self->_line;
        }
        1 while $self->_line ne '';    # trailers
        return $body;
    }
    return $self->_bytes($headers->{'content-length'}) if defined $headers->{'content-length'};
    1 while $self->_read($self->{buffer}, 65_536);
    my $body = $self->{buffer};
    $self->_close;
    return $body;
}

sub _line {
    my ($self) = @_;
    my $end;
    until (($end = index $self->{buffer}, "\n") >= 0) {
        die "line without end\n" if length $self->{buffer} > 1_048_576;
        $self->_read($self->{buffer}, 65_536) or die "connection closed\n";
    }
    my $line = substr $self->{buffer}, 0, $end + 1, '';
    $line =~ s/\r?\n\z//;
    return $line;
}

sub _bytes {
    my ($self, $count) = @_;
    my $bytes = substr $self->{buffer}, 0, $count, '';
    while (length $bytes < $count) {
        $self->_read($bytes, $count - length $bytes) or die "connection closed\n";
    }
    return $bytes;
}

# Append at most $count bytes to $_[1]; false at the end of the stream.
sub _read {
    my ($self, undef, $count) = @_;
    while (1) {
        my ($got, $error) = (sysread($self->{socket}, $_[1], $count, length $_[1]), $! + 0);
        if (defined $got) {
            $self->{answered} = 1 if $got;
            return $got;
        }
        die 'cannot receive: ' . _reason($error) if !_interrupted($error);
    }
}

sub _connect {
    my ($self) = @_;
    my $host = $self->{host} =~ /\A\d+(?:\.\d+){3}\z/ ? pack 'C4', split /\./, $self->{host} : gethostbyname $self->{host};
    die "no such host: $self->{host}\n" if !defined $host;
    socket my $socket, AF_INET, SOCK_STREAM, 0 or die "no socket: $!\n";
    connect $socket, _socket_address($self->{port}, $host) or die "cannot connect to $self->{address}: $!\n";
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    $self->{socket} = $socket;
    $self->{buffer} = '';
    return;
}

# struct sockaddr_in, without loading Socket where its shape is known.
sub _socket_address {
    my ($port, $host) = @_;
    return pack 'S n a4 x8', AF_INET, $port, $host if $^O eq 'linux';
    require Socket;
    return Socket::pack_sockaddr_in($port, $host);
}

sub _close {
    my ($self) = @_;
    close delete $self->{socket} if defined $self->{socket};
    $self->{buffer} = '';
    return;
}

# Whether a call failed only because a signal came that the handler has a hook for. The hook runs between statements and
# may change $!; hence callers take the number within the statement that made the call.
sub _interrupted {
    my ($error) = @_;
    require Errno;
    return $error == Errno::EINTR();
}

sub _reason {
    local $! = $_[0];
    return "$!\n";
}

1;
