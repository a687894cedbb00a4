package Fn::Json;

# JSON for events and answers: whatever perl has of it, and what no encoder here sees to.

use strict;
use warnings;

# The fastest at hand: JSON::PP takes thirty times as long. NaN and infinity must come out bare, so that `encode` sees
# them.
sub codec {
    for my $class ('Cpanel::JSON::XS', 'JSON::XS', 'JSON::PP') {
        (my $file = "$class.pm") =~ s{::}{/}g;
        my $codec = eval { local $SIG{__DIE__}; require $file; $class->new } or next;
        $codec->stringify_infnan(2) if $codec->can('stringify_infnan');
        return $codec->utf8->allow_nonref->canonical->convert_blessed;
    }
    die "there is no JSON module: JSON::PP comes with perl, so this one is not whole\n";
}

# Encoders write NaN and infinity as they are, which no JSON reader takes. A glance finds nearly every text innocent.
sub encode {
    my ($json, $value) = @_;
    my $text = $json->encode($value);
    my $suspect = grep { index($text, $_) >= 0 } 'nan', 'NaN', 'inf', 'Inf';
    if ($suspect && $text =~ /(?:\A|[\[:,])-?(?:nan|inf)/i && !eval { $json->decode($text); 1 }) {
        die "the result holds NaN or infinity, which JSON cannot represent\n";
    }
    return $text;
}

1;
