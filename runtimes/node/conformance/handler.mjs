// What fn runtime test asks of a runtime's handler: framework/fnroll/conformance/cases.py has the table.

const verbs = {
  echo: (event) => event.value,
  error: (event) => { throw new Error(event.text); },
  exit: (event) => process.exit(event.size),
  large: (event) => 'x'.repeat(event.size - 2),
  measure: (event) => event.text.length,
  print: (event) => { process.stdout.write(event.text); return null; },
  process: () => process.pid,
  context: (event, context) => ({
    request_id: context.awsRequestId,
    arn: context.invokedFunctionArn,
    remaining: context.getRemainingTimeInMillis(),
    trace: process.env._X_AMZN_TRACE_ID,
    function: context.functionName,
    version: context.functionVersion,
    memory: context.memoryLimitInMB,
  }),
  unencodable: () => { const loop = {}; loop.loop = loop; return loop; },
};

export const handle = async (event, context) => (event?.do ? verbs[event.do](event, context) : event);
