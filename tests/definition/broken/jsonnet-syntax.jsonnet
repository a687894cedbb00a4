local name = 'f';
{
  FunctionName: name
  Role: 'arn:aws:iam::000000000000:role/r',
}
