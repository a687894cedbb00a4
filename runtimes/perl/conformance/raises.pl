die "cannot start\n";
