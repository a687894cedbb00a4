local base = {
  FunctionName: 'f',
  Role: 'arn:aws:iam::000000000000:role/r',
  Handler: 'h.h',
};
base {
  Runtime: 'provided.al2023',
  VpcConfig: {
    SubnetIds: ['subnet-1'],
    SecurityGroupId: ['sg-1'],
  },
}
