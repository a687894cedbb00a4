use strict;
use warnings;
use utf8;

# Runs once per execution environment: load modules and open connections up here.

sub handle {
    my ($event, $context) = @_;

    # From the function URL (…?name=world) or from a plain event ({"name": "world"}).
    my $name;
    if (ref $event eq 'HASH') {
        my $query = $event->{queryStringParameters} || {};
        $name = defined $query->{name} ? $query->{name} : $event->{name};
    }
    $name = 'world' if !defined $name;

    # Becomes the JSON answer; a function URL sends it with status 200. For another status or other headers return
    # { statusCode => 404, headers => { 'content-type' => 'text/plain' }, body => 'not here' }.
    return {
        message  => "Hello, $name",
        function => $context->function_name,
        version  => $context->function_version,
        pid      => $$ + 0,
    };
}
