local must_env = std.native('must_env');
{
  FunctionName: 'f',
  Role: must_env('NOPE'),
}
