# Sets the scene for a handler and hands over to Fn::Runtime. Only core builtins here: each module loaded before the
# handler is paid for at every cold start.
package Fn::Bootstrap;

use strict;
use warnings;

# As in /opt (/opt/fn/perl/bootstrap.pl) and as in the source tree (runtimes/perl/bootstrap.pl).
my ($here) = __FILE__ =~ m{\A(.*)/} or die "bootstrap.pl must be started by its path\n";
my ($opt) = $here =~ m{\A(.*)/fn/perl\z};

# Ours are found first, and before the function's directories are looked through at all.
unshift @INC, "$here/lib";
require Fn::Runtime;
push @INC, shift @INC;

my $task = $ENV{LAMBDA_TASK_ROOT};
$task = '/var/task' if !defined $task || $task eq '';

# The function's own modules win over those of layers, and these over perl's. XS modules lie in a sub-directory named
# after the architecture, as `cpanm -L local` and `use local::lib` make it.
my @trees = grep { -d } "$task/local/lib/perl5", defined $opt ? "$opt/lib/perl5" : ();
if (@trees) {
    require Config;
    Config->import;
    our %Config;
    @trees = map { ((grep { -d } "$_/$Config{archname}"), $_) } @trees;
}
unshift @INC, $task, (grep { -d } "$task/lib"), @trees;

Fn::Runtime::run($task);
