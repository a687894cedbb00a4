package Fn::Http;

# HTTP as it comes in events and goes out in answers, in the words of CGI: what PSGI and CGI programs understand.
#
# Three kinds of events: payload 2.0 (function URLs, HTTP APIs), payload 1.0 (REST APIs), and ALB's, which is 1.0 but for
# its encoding. All strings that come out are bytes.

use strict;
use warnings;

use Fn::Base64;

# A reason phrase where one is wanted (ALB's statusDescription, CGI programs).
my %REASONS = (
    200 => 'OK', 201 => 'Created', 202 => 'Accepted', 204 => 'No Content', 301 => 'Moved Permanently', 302 => 'Found',
    303 => 'See Other', 304 => 'Not Modified', 307 => 'Temporary Redirect', 308 => 'Permanent Redirect',
    400 => 'Bad Request', 401 => 'Unauthorized', 403 => 'Forbidden', 404 => 'Not Found', 405 => 'Method Not Allowed',
    409 => 'Conflict', 410 => 'Gone', 413 => 'Content Too Large', 415 => 'Unsupported Media Type',
    422 => 'Unprocessable Content', 429 => 'Too Many Requests', 500 => 'Internal Server Error',
    501 => 'Not Implemented', 502 => 'Bad Gateway', 503 => 'Service Unavailable', 504 => 'Gateway Timeout',
);

# An event of HTTP, or dies saying that it is none.
sub new {
    my ($class, $event) = @_;
    my $context = ref $event eq 'HASH' && $event->{requestContext};
    my $kind
        = ref $context ne 'HASH'  ? undef
        : $context->{http}        ? 'v2'
        : $context->{elb}         ? 'alb'
        : defined $event->{httpMethod} ? 'v1'
        :                           undef;
    die "this event is no HTTP request of a function URL, API Gateway or a load balancer\n" if !defined $kind;
    return bless { kind => $kind, event => $event, context => $context }, $class;
}

# The body as bytes; undef where the event has none.
sub body {
    my ($self) = @_;
    my $body = $self->{event}{body};
    return undef if !defined $body;    ## no critic: undef in list context too
    return Fn::Base64::decode($body) if $self->{event}{isBase64Encoded};
    utf8::encode($body);
    return $body;
}

# CGI's variables; every other member of an environment is the adapter's own.
sub env {
    my ($self) = @_;
    my ($event, $context) = @$self{qw(event context)};
    my $http    = $self->{kind} eq 'v2' ? $context->{http} : {};
    my $headers = $self->_headers;
    my ($script, $path, $raw) = $self->_paths;
    my $query = $self->_query;
    my $host  = _first($headers->{host}, $context->{domainName}, 'localhost');
    my $proto = _first($headers->{'x-forwarded-proto'}, 'https');
    my $port  = _first($headers->{'x-forwarded-port'}, $host =~ /:(\d+)\z/ ? $1 : undef, $proto eq 'http' ? 80 : 443);
    my $body  = $self->body;
    (my $name = $host) =~ s/:\d+\z//;
    my %env = (
        REQUEST_METHOD  => _first($http->{method}, $event->{httpMethod}),
        SCRIPT_NAME     => $script,
        PATH_INFO       => $path,
        QUERY_STRING    => $query,
        REQUEST_URI     => $raw . ($query eq '' ? '' : "?$query"),
        SERVER_NAME     => $name,
        SERVER_PORT     => $port,
        SERVER_PROTOCOL => _first($http->{protocol}, $context->{protocol}, 'HTTP/1.1'),
        REMOTE_ADDR     => _first(
            $http->{sourceIp},
            ($context->{identity} || {})->{sourceIp},
            (split /\s*,\s*/, _first($headers->{'x-forwarded-for'}, ''))[-1], ''
        ),
    );
    for my $name (keys %$headers) {
        (my $variable = uc $name) =~ tr/-/_/;
        $variable = "HTTP_$variable" if $variable ne 'CONTENT_TYPE' && $variable ne 'CONTENT_LENGTH';
        $env{$variable} = $headers->{$name};
    }
    $env{HTTP_COOKIE} = join '; ', @{ $event->{cookies} } if $self->{kind} eq 'v2' && @{ $event->{cookies} || [] };
    delete $env{CONTENT_LENGTH};
    delete $env{HTTP_PROXY};    # a header named Proxy must not become a setting (httpoxy)
    $env{CONTENT_LENGTH} = length $body if defined $body;
    utf8::encode($env{$_}) for grep { $_ ne 'PATH_INFO' } keys %env;
    return (\%env, $proto);
}

# Names in lower case; several values are joined.
sub _headers {
    my ($self) = @_;
    my $event = $self->{event};
    my %found;
    my $many = $self->{kind} ne 'v2' && $event->{multiValueHeaders};
    if ($many) {
        $found{ lc $_ } = join lc eq 'cookie' ? '; ' : ',', @{ $many->{$_} } for keys %$many;
    }
    else {
        my $headers = $event->{headers} || {};
        $found{ lc $_ } = $headers->{$_} for keys %$headers;
    }
    return \%found;
}

# (SCRIPT_NAME, PATH_INFO as bytes, the path as it was asked for)
sub _paths {
    my ($self) = @_;
    my ($event, $context) = @$self{qw(event context)};
    if ($self->{kind} eq 'v2') {
        my $path  = _first($event->{rawPath}, '/');
        my $stage = _first($context->{stage}, '$default');
        my $raw   = _escaped($path);
        $path =~ s{\A/\Q$stage\E(?=/|\z)}{} if $stage ne '$default';
        return ('', _bytes($path eq '' ? '/' : $path), $raw);    # Lambda has decoded it
    }
    my $path = _first($event->{path}, '/');
    return ('', _unescaped($path), $path) if $self->{kind} eq 'alb';
    my $whole  = _first($context->{path}, $path);
    my $script = $whole =~ m{\A(.*)\Q$path\E\z}s && $whole ne $path ? $1 : '';
    return ($script, _bytes($path), _escaped($whole));
}

# A load balancer hands the query on as it was; API Gateway's REST APIs decode it.
sub _query {
    my ($self) = @_;
    my $event = $self->{event};
    return _first($event->{rawQueryString}, '') if $self->{kind} eq 'v2';
    my %many = %{ $event->{multiValueQueryStringParameters} || {} };
    my $one = $event->{queryStringParameters} || {};
    %many = map { $_ => [ $one->{$_} ] } keys %$one if !%many;
    my $encode = $self->{kind} eq 'alb' ? sub { $_[0] } : \&_component;
    my @pairs;
    for my $name (sort keys %many) {
        push @pairs, $encode->($name) . '=' . $encode->(_first($_, '')) for @{ $many{$name} };
    }
    return join '&', @pairs;
}

# What the handler answers with. @$headers: names and values; $body: bytes.
sub answer {
    my ($self, $status, $headers, $body) = @_;
    my %answer = (statusCode => 0 + $status, isBase64Encoded => \0, body => $body);
    if (!utf8::decode($answer{body})) {
        $answer{body} = Fn::Base64::encode($body);
        $answer{isBase64Encoded} = \1;
    }
    my %many;
    my @pairs = @$headers;
    while (my ($name, $value) = splice @pairs, 0, 2) {
        push @{ $many{ lc $name } }, $value;
    }
    if ($self->{kind} eq 'v2') {
        my $cookies = delete $many{'set-cookie'};
        $answer{cookies} = $cookies if $cookies;
        $answer{headers} = { map { $_ => join ', ', @{ $many{$_} } } keys %many };
    }
    elsif ($self->{kind} eq 'alb' && !$self->{event}{multiValueHeaders}) {    # its multi-value switch is off
        $answer{headers} = { map { $_ => $many{$_}[-1] } keys %many };
    }
    else {
        $answer{multiValueHeaders} = \%many;
    }
    $answer{statusDescription} = "$status " . reason($status) if $self->{kind} eq 'alb';
    return \%answer;
}

# For a streamed answer: {statusCode, headers, cookies}.
sub prelude {
    my ($self, $status, $headers) = @_;
    my (%one, @cookies);
    my @pairs = @$headers;
    while (my ($name, $value) = splice @pairs, 0, 2) {
        $name = lc $name;
        if   ($name eq 'set-cookie') { push @cookies, $value }
        else                         { $one{$name} = defined $one{$name} ? "$one{$name}, $value" : $value }
    }
    return { statusCode => 0 + $status, headers => \%one, @cookies ? (cookies => \@cookies) : () };
}

sub reason { return $REASONS{ $_[0] } || 'Unknown' }

sub _first {
    for (@_) { return $_ if defined }
    return undef;    ## no critic: undef in list context too
}

# As a part of a query: form encoding.
sub _component {
    my ($text) = @_;
    utf8::encode($text);
    $text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge;
    return $text;
}

# As a path of a URL.
sub _escaped {
    my ($text) = @_;
    utf8::encode($text);
    $text =~ s{([^A-Za-z0-9_.~!\$&'()*+,;=:@/%-])}{sprintf '%%%02X', ord $1}ge;
    return $text;
}

sub _unescaped {
    my $text = _bytes(@_);
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    return $text;
}

sub _bytes {
    my ($text) = @_;
    utf8::encode($text);
    return $text;
}

1;
