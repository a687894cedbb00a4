// The handler of the conformance suite (../../verbs.py) under AWS's client for Node.
'use strict';

let count = 0;

if (process.env.BROKEN) {
  console.log('broken');
  process.exit(1);
}

const verbs = {
  echo: (asked) => asked.value,
  error: (asked) => { throw new Error(asked.text); },
  panic: (asked) => { setImmediate(() => { throw new Error(asked.text); }); return new Promise(() => {}); },
  exit: (asked) => process.exit(asked.size),
  sleep: (asked) => {
    console.log(asked.text);
    return new Promise((done) => setTimeout(() => done(null), asked.size));
  },
  large: (asked) => 'x'.repeat(asked.size - 2),
  measure: (asked) => asked.text.length,
  count: () => ++count,
  print: (asked) => { console.log(asked.text); return null; },
  context: (asked, context) => ({
    request_id: context.awsRequestId,
    arn: context.invokedFunctionArn,
    remaining: context.getRemainingTimeInMillis(),
    custom: context.clientContext ? context.clientContext.custom : {},
    trace: process.env._X_AMZN_TRACE_ID,
    function: context.functionName,
    memory: Number(context.memoryLimitInMB),
    version: context.functionVersion,
  }),
};

exports.handle = async (asked, context) => verbs[asked.do](asked, context);

exports.stream = awslambda.streamifyResponse(async (asked, out) => {
  out.setContentType('text/plain');
  out.write(asked.text);
  if (asked.do === 'break') throw new Error('broke off');
  out.end();
});
