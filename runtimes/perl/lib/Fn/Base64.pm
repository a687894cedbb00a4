package Fn::Base64;

# Base64 with perl's own pack: MIME::Base64 is a module to be loaded, and not in every perl.

use strict;
use warnings;

# One line, without a line end.
sub encode {
    my ($bytes) = @_;
    my $text = join '', map { substr pack('u', $_), 1 } $bytes =~ /(.{1,45})/gs;
    $text =~ s/\n//g;
    $text =~ tr{` -_}{AA-Za-z0-9+/};
    my $fill = (3 - length($bytes) % 3) % 3;
    substr $text, -$fill, $fill, '=' x $fill if $fill;
    return $text;
}

sub decode {
    my ($text) = @_;
    $text =~ tr{A-Za-z0-9+/}{}cd;
    $text =~ tr{A-Za-z0-9+/}{ -_};
    return join '', map { unpack 'u', chr(32 + int(length($_) * 3 / 4)) . $_ } $text =~ /(.{1,60})/gs;
}

1;
