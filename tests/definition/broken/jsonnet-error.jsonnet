{
  FunctionName: error 'no name was chosen',
}
