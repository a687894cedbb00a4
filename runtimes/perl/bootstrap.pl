# Sets the scene for a handler and hands over to Fn::Runtime. Only core builtins here: each module loaded before the
# handler is paid for at every cold start.
package Fn::Bootstrap;

use strict;
use warnings;

# As in /opt (/opt/fn/perl/bootstrap.pl) and as in the source tree (runtimes/perl/bootstrap.pl).
my ($here) = __FILE__ =~ m{\A(.*)/} or die "bootstrap.pl must be started by its path\n";
my ($opt) = $here =~ m{\A(.*)/fn/[^/]+\z};

# Ours are found first, and before the function's directories are looked through at all.
unshift @INC, "$here/lib";
require Fn::Runtime;
push @INC, shift @INC;

my $task = $ENV{LAMBDA_TASK_ROOT};
$task = '/var/task' if !defined $task || $task eq '';

# Under a loader of its own perl takes that for itself; the layer's program is what runs a script in this perl.
$^X = "$opt/bin/perl" if defined $opt && -x "$opt/bin/perl";

# The function's own modules win over those of layers, and these over perl's. `cpanm -L local`, `carton install` and `cpm
# install` make local/: XS modules in directories of the version and the architecture, as `use lib` has them, programs in
# local/bin. Programs find the modules too, so the trees are told in PERL5LIB, where perl adds those directories itself.
my @own   = grep { -d } "$task/lib";
my @trees = grep { -d } "$task/local/lib/perl5", defined $opt ? "$opt/lib/perl5" : ();
if (@trees) {
    $ENV{PERL5LIB} = join ':', @own, @trees, grep { defined && $_ ne '' } $ENV{PERL5LIB};
    require Config;
    Config->import;
    our %Config;
    my ($version, $architecture) = @Config{qw(version archname)};
    @trees = map { ((grep { -d } "$_/$version/$architecture", "$_/$version", "$_/$architecture"), $_) } @trees;
}
unshift @INC, $task, @own, @trees;
$ENV{PATH} = join ':', "$task/local/bin", defined $ENV{PATH} ? $ENV{PATH} : () if -d "$task/local/bin";

Fn::Runtime::run($task);
